"""Names of DBPN's tensors in the authors' checkpoints."""

from __future__ import annotations

import re

from models.reference_keys.rules import Family, Rules, rename

# A projection unit's layers: ours, the authors', and what the authors call the convolution in it.
UP = (
    ("compress", "conv", "conv"),
    ("enlarge", "up_conv1", "deconv"),
    ("reduce", "up_conv2", "conv"),
    ("enlarge_error", "up_conv3", "deconv"),
)
DOWN = (
    ("compress", "conv", "conv"),
    ("reduce", "down_conv1", "conv"),
    ("enlarge", "down_conv2", "deconv"),
    ("reduce_error", "down_conv3", "conv"),
)
EDGE_RULES: Rules = [
    (r"extractor\.(\d)\.0\.", r"sr_model.feat\1.conv."),
    (r"extractor\.(\d)\.1\.", r"sr_model.feat\1.act."),
    (r"output\.", r"sr_model.output_conv.conv."),
]
UNIT = re.compile(r"(up|down)s\.(\d+)\.(\w+)\.([01])\.(weight|bias)")


def dbpn_name(name: str) -> str:
    """The authors' name of a DBPN tensor; they count projection units from 1."""
    match = UNIT.fullmatch(name)
    if match is None:
        return rename(name, EDGE_RULES)
    direction, number, layer, member, tensor = match.groups()
    theirs, convolution = {ours: rest for ours, *rest in (UP if direction == "up" else DOWN)}[layer]
    return f"sr_model.{direction}{int(number) + 1}.{theirs}.{(convolution, 'act')[int(member)]}.{tensor}"


DBPN = Family("sr_model.", dbpn_name)
