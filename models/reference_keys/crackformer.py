"""Names of CrackFormer's tensors in the authors' checkpoints.

Theirs hold more than they use: a third block (``nn3``) in the deeper levels of the encoder, in whose place
the second is applied again, and a norm (``bn2``) in each transformer block. Neither exists in our network.
"""

from __future__ import annotations

from models.reference_keys.rules import Family, Rules, rename

PREFIX = "segmentation_model."

MEMBER_RULES: Rules = [
    (r"reduce\.0\.", "conv1."),
    (r"reduce\.1\.", "bn1."),
    (r"attention\.", "conv2.0.attn."),
    (r"mlp\.0\.", "conv2.0.mlp.fc1."),
    (r"mlp\.1\.", "conv2.0.mlp.gn1."),
    (r"mlp\.2\.", "conv2.0.mlp.dwconv.dwconv."),
    (r"mlp\.3\.", "conv2.0.mlp.gn2."),
    (r"mlp\.6\.", "conv2.0.mlp.fc2."),
    (r"mlp\.7\.", "conv2.0.mlp.gn3."),
    (r"expand\.0\.", "conv3."),
    (r"expand\.1\.", "bn3."),
    (r"shortcut\.", "shortcut."),
]


def level_rules(level: int) -> Rules:
    """Rules for what is not a transformer block of a level, counted from 0; theirs count from 1."""
    number = level + 1
    return [
        (rf"sides\.{level}\.mask\.1\.", f"LABlock_{number}.W_1.0."),
        (rf"sides\.{level}\.mask\.2\.", f"LABlock_{number}.W_1.1."),
        (rf"sides\.{level}\.mask\.3\.", f"LABlock_{number}.psi.0."),
        (rf"sides\.{level}\.mask\.4\.", f"LABlock_{number}.psi.1."),
        (rf"sides\.{level}\.merge\.0\.", f"fuse{number}.nn.conv."),
        (rf"sides\.{level}\.to_logit\.", f"fuse{number}.conv."),
    ]


RULES: Rules = [
    (r"stem\.0\.", "down1.nn1.conv."),
    *(rule for level in range(5) for rule in level_rules(level)),
    (r"fuse\.", "final."),
]


def crackformer_name(name: str) -> str:
    """The authors' name of a CrackFormer tensor."""
    part, _, rest = name.partition(".")
    if part not in ("encoder", "decoder"):
        return PREFIX + rename(name, RULES)
    level, block, member = rest.split(".", 2)
    after_stem = 1 if part == "encoder" and level == "0" else 0  # the stem is their first block
    place = f"{'down' if part == 'encoder' else 'up'}{int(level) + 1}.nn{int(block) + 1 + after_stem}.conv."
    return PREFIX + place + rename(member, MEMBER_RULES)


CRACKFORMER = Family(
    PREFIX,
    crackformer_name,
    unused=r"segmentation_model\.(down[345]\.nn3\..*|(down|up)\d\.nn\d\.conv\.bn2\.(weight|bias))",
)
