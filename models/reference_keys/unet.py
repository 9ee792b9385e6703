"""Names of the U-Net's tensors in the authors' checkpoints.

They hold every encoder weight twice, as ``encoder.N`` and as ``convS.M``; when loaded in order the second
name wins, so only that one counts.
"""

from __future__ import annotations

import re

from contracts.errors import UserError
from models.reference_keys.rules import Family, Rules, rename

# Position of each stage's first convolution among VGG-16's numbered layers.
STAGE_STARTS = (0, 5, 10, 17, 24)
ENCODER = re.compile(r"encoder\.features\.(\d+)\.")
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
    if ENCODER.match(name):
        return ENCODER.sub(encoder_name, name)
    try:
        return rename(name, UNET_RULES)
    except KeyError:
        raise UserError(
            f"reference weights for unet have no '{name}': they are of another decoder; set decoder: pixel_shuffle"
        ) from None


def encoder_name(match: re.Match[str]) -> str:
    """Layer 12 of VGG-16, say, is the layer 2 of the third stage."""
    number = int(match[1])
    stage = sum(start <= number for start in STAGE_STARTS)
    return f"segmentation_model.conv{stage}.{number - STAGE_STARTS[stage - 1]}."


UNET = Family("segmentation_model.", unet_name, unused=r"segmentation_model\.encoder\..*")
