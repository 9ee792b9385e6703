"""Segmentation networks, each ``forward(x [B,3,H,W] normalised, kernel=None) -> Segmented``.

Every one has ``multiple``: the number that both sides of its input must be divisible by.
"""

from __future__ import annotations

from torch import nn

from models.seg.fpn import FPN
from models.seg.pspnet import PSPNet

SEG_NETWORKS: dict[str, type[nn.Module]] = {
    "pspnet": PSPNet,
    "fpn": FPN,
}
