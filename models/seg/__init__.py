"""Segmentation networks, each ``forward(x [B,3,H,W] normalised, kernel=None) -> Segmented``.

Every one has ``multiple``: the number that both sides of its input must be divisible by.
"""

from __future__ import annotations

from torch import nn

from models.seg.blur_skip import PSPNetBlurSkip
from models.seg.crackformer import CrackFormer
from models.seg.fpn import FPN
from models.seg.half_pyramid import HalfPyramid
from models.seg.hrnet_ocr import HRNetOCR
from models.seg.pspnet import PSPNet
from models.seg.segnet import SegNet
from models.seg.unet import UNet
from models.seg.unet_encoder import EncoderUNet

SEG_NETWORKS: dict[str, type[nn.Module]] = {
    "pspnet": PSPNet,
    "pspnet_blurskip": PSPNetBlurSkip,
    "segnet": SegNet,
    "fpn": FPN,
    "half_pyramid": HalfPyramid,
    "crackformer": CrackFormer,
    "hrnet_ocr": HRNetOCR,
    "unet": UNet,
    "unet_encoder": EncoderUNet,
}
