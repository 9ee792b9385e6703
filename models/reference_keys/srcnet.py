"""Names of the tensors of SrcNet's two parts, its super-resolution network and SegNet, in the authors' checkpoints."""

from __future__ import annotations

import re

from models.reference_keys.rules import Family, Rules, rename
from models.seg.segnet import LAYERS

SRCNET_RULES: Rules = [
    (r"first\.", r"sr_model.sconv1."),
    (r"body\.parts\.(\d+)\.parts\.(\d+)\.layers\.([02])\.", r"sr_model.rir.res_groups.\1.res_blocks.\2.fe1.\3."),
    (r"body\.parts\.(\d+)\.parts\.(\d+)\.gate\.0\.", r"sr_model.rir.res_groups.\1.res_blocks.\2.attention.1."),
    (r"body\.parts\.(\d+)\.parts\.(\d+)\.gate\.2\.", r"sr_model.rir.res_groups.\1.res_blocks.\2.attention.3."),
    (r"body\.parts\.(\d+)\.last\.", r"sr_model.rir.res_groups.\1.conv."),
    (r"body\.last\.", r"sr_model.rir.conv."),
    (r"enlarge\.", r"sr_model.upscaling."),
    (r"output\.", r"sr_model.sconv2."),
]
SEGNET_LAYER = re.compile(r"(encoder|decoder)\.(\d)\.(\d)\.([01])\.(\w+)")


def srcnet_name(name: str) -> str:
    """The authors' name of a tensor of SrcNet's super-resolution network."""
    return rename(name, SRCNET_RULES)


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


SRCNET = Family("sr_model.", srcnet_name)
# The batch norm that the authors declare behind the last convolution never runs.
SEGNET = Family("segmentation_model.", segnet_name, unused=r"segmentation_model\.BNDe11\..*")
