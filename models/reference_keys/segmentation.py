"""Names of the segmentation networks' tensors in the authors' checkpoints."""

from __future__ import annotations

import re
from functools import partial

from contracts.errors import UserError
from models.reference_keys.rules import Family, Rules, rename
from models.seg.segnet import LAYERS

PREFIX = "segmentation_model."

PSPNET_RULES: Rules = [
    (r"encoder\.", r"segmentation_model.feats."),
    (r"pyramid\.branches\.(\d)\.", r"segmentation_model.psp.stages.\1.1."),
    (r"pyramid\.bottleneck\.", r"segmentation_model.psp.bottleneck."),
    (r"up_steps\.0\.", r"segmentation_model.up_1.conv."),
    (r"up_steps\.1\.", r"segmentation_model.up_2.conv."),
    (r"up_steps\.2\.", r"segmentation_model.up_3.conv."),
    (r"head\.", r"segmentation_model.final.0."),
    (r"auxiliary\.", r"segmentation_model.aux."),
]


def blur_skip_rules(step: int) -> Rules:
    """Rules for step 0 or 1; the authors number modulations and convolutions in one row: 0 and 2, 1 and 3."""
    branch, convolution = rf"blur_skip\.modulations\.{step}\.(scale|shift)\.", rf"blur_skip\.convolutions\.{step}\."
    theirs, next_of_theirs = (f"segmentation_model.blur_skip.{2 * step + index}." for index in (0, 1))
    return [
        (branch + r"first\.", theirs + r"conv_\1.0.layer."),
        (branch + r"activation\.", theirs + r"conv_\1.0.act."),
        (branch + r"second\.", theirs + r"conv_\1.1.layer."),
        (convolution + r"0\.", next_of_theirs + "layer."),
        (convolution + r"1\.", next_of_theirs + "norm."),
    ]


PSPNET = Family(PREFIX, partial(rename, rules=PSPNET_RULES))
PSPNET_BLUR_SKIP = Family(PREFIX, partial(rename, rules=[*blur_skip_rules(0), *blur_skip_rules(1), *PSPNET_RULES]))

SEGNET_LAYER = re.compile(r"(encoder|decoder)\.(\d)\.(\d)\.([01])\.(\w+)")


def segnet_name(name: str) -> str:
    """The authors' name of a SegNet tensor; they count a decoder stage's layers from the last one."""
    match = SEGNET_LAYER.fullmatch(name)
    if match is None:
        return rename(name, [(r"head\.", r"segmentation_model.ConvDe11.")])
    half, stage, layer, member, tensor = match.groups()
    kind = ("Conv", "BN")[int(member)]
    if half == "encoder":
        return f"segmentation_model.{kind}En{int(stage) + 1}{int(layer) + 1}.{tensor}"
    return f"segmentation_model.{kind}De{int(stage) + 1}{LAYERS[int(stage)] - int(layer)}.{tensor}"


# The batch norm that the authors declare behind the last convolution never runs.
SEGNET = Family(PREFIX, segnet_name, unused=r"segmentation_model\.BNDe11\..*")

# Position of each stage's first convolution among VGG-16's numbered layers.
VGG_STAGE_STARTS = (0, 5, 10, 17, 24)
UNET_ENCODER = re.compile(r"encoder\.features\.(\d+)\.")
UNET_RULES: Rules = [
    (r"center\.0\.", r"segmentation_model.center.block.0.conv."),
    (r"steps\.0\.0\.", r"segmentation_model.dec4.block.0.conv."),
    (r"steps\.1\.0\.", r"segmentation_model.dec3.block.0.conv."),
    (r"steps\.2\.0\.", r"segmentation_model.dec2.block.0.conv."),
    (r"last\.0\.", r"segmentation_model.dec1.conv."),
    (r"head\.", r"segmentation_model.final."),
]


def unet_name(name: str) -> str:
    """The authors' name of a tensor of the U-Net. Raises UserError for other decoders than the released one."""
    if UNET_ENCODER.match(name):
        return UNET_ENCODER.sub(unet_encoder_name, name)
    try:
        return rename(name, UNET_RULES)
    except KeyError:
        raise UserError(
            f"reference weights for unet have no '{name}': they are of another decoder; set decoder: pixel_shuffle"
        ) from None


def unet_encoder_name(match: re.Match[str]) -> str:
    """Layer 12 of VGG-16, say, is the layer 2 of the third stage."""
    number = int(match[1])
    stage = sum(start <= number for start in VGG_STAGE_STARTS)
    return f"segmentation_model.conv{stage}.{number - VGG_STAGE_STARTS[stage - 1]}."


# They hold every encoder weight twice, as ``encoder.N`` and as ``convS.M``; when loaded in order the second name wins,
# so only that one counts.
UNET = Family(PREFIX, unet_name, unused=r"segmentation_model\.encoder\..*")

OBJECT_CONTEXT = PREFIX + "ocr_distri_head.object_context_block."

HRNET_OCR_RULES: Rules = [
    (r"backbone\.", "segmentation_model.backbone."),
    (r"auxiliary\.0\.", "segmentation_model.aux_head.0."),
    (r"auxiliary\.1\.", "segmentation_model.aux_head.1.0."),
    (r"auxiliary\.3\.", "segmentation_model.aux_head.2."),
    (r"to_pixels\.0\.", "segmentation_model.conv3x3.0."),
    (r"to_pixels\.1\.", "segmentation_model.conv3x3.1.0."),
    (r"context\.(down|up)\.0\.", OBJECT_CONTEXT + r"f_\1.0."),
    (r"context\.(down|up)\.1\.", OBJECT_CONTEXT + r"f_\1.1.0."),
    (r"context\.merge\.", "segmentation_model.ocr_distri_head.conv_bn_dropout.0."),
    (r"context\.finish\.0\.", "segmentation_model.ocr_distri_head.conv_bn_dropout.1.0."),
    (r"head\.", "segmentation_model.cls_head."),
]
# Transforms of pixels and object regions (``f_pixel``, ``f_object``) only feed a softmax over the regions. With one
# region, the crack, it is always 1: they have no influence and do not exist in our network.
HRNET_OCR = Family(
    PREFIX,
    partial(rename, rules=HRNET_OCR_RULES),
    unused=r"segmentation_model\.ocr_distri_head\.object_context_block\.f_(pixel|object)\..*",
)

CRACKFORMER_BLOCK_RULES: Rules = [
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


def crackformer_level_rules(level: int) -> Rules:
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


CRACKFORMER_RULES: Rules = [
    (r"stem\.0\.", "down1.nn1.conv."),
    *(rule for level in range(5) for rule in crackformer_level_rules(level)),
    (r"fuse\.", "final."),
]


def crackformer_name(name: str) -> str:
    """The authors' name of a CrackFormer tensor."""
    half, _, rest = name.partition(".")
    if half not in ("encoder", "decoder"):
        return PREFIX + rename(name, CRACKFORMER_RULES)
    level, block, member = rest.split(".", 2)
    after_stem = 1 if half == "encoder" and level == "0" else 0  # the stem is their first block
    block_name = f"{'down' if half == 'encoder' else 'up'}{int(level) + 1}.nn{int(block) + 1 + after_stem}.conv."
    return PREFIX + block_name + rename(member, CRACKFORMER_BLOCK_RULES)


# Theirs have a third block (``nn3``) in the deeper levels of the encoder, in whose place the second is applied again,
# and a norm (``bn2``) in each transformer block. Neither exists in our network.
CRACKFORMER = Family(
    PREFIX,
    crackformer_name,
    unused=r"segmentation_model\.(down[345]\.nn3\..*|(down|up)\d\.nn\d\.conv\.bn2\.(weight|bias))",
)
