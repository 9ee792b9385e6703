"""Segmentation networks: classes of ``models.base.Segmentation``, by the type that options call them."""

from __future__ import annotations

from models.base import Segmentation
from models.seg.blur_skip import PSPNetBlurSkip
from models.seg.crackformer import CrackFormer
from models.seg.film_fpn import FilmFPN
from models.seg.fpn import FPN
from models.seg.half_pyramid import HalfPyramid
from models.seg.hrnet_ocr import HRNetOCR
from models.seg.pspnet import PSPNet
from models.seg.segnet import SegNet
from models.seg.unet import UNet
from models.seg.unet_encoder import EncoderUNet

SEG_NETWORKS: dict[str, type[Segmentation]] = {
    "pspnet": PSPNet,
    "pspnet_blurskip": PSPNetBlurSkip,
    "segnet": SegNet,
    "fpn": FPN,
    "film_fpn": FilmFPN,
    "half_pyramid": HalfPyramid,
    "crackformer": CrackFormer,
    "hrnet_ocr": HRNetOCR,
    "unet": UNet,
    "unet_encoder": EncoderUNet,
}
