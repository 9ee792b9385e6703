"""Every listed network at a small size, for tests; a new one needs an entry here."""

from __future__ import annotations

from models.encoders.timm_encoders import LITE0
from models.seg import SEG_NETWORKS

SMALL_SR = {
    "kbpn": {"stages": 2, "width": 4, "kernel_side": 5, "estimated_side": 3, "corrector_width": 4},
    "dbpn": {"stages": 3, "width": 4, "extractor_width": 8},
    "srcnet": {"width": 8, "groups": 2, "blocks": 2},
    "bicubic": {},
    "edsr": {"width": 8, "blocks": 1},
    "rcan": {"width": 16, "groups": 1, "blocks": 1},
    "rrdbnet": {"width": 8, "blocks": 1, "growth": 4},
    "swinir": {"width": 12, "depths": (2,), "heads": 2},
    "srvgg": {"width": 12, "layers": 3},
}

SMALL_SEG = {
    "pspnet": {"encoder": "resnet18", "width": 0.05},
    "pspnet_blurskip": {"encoder": "resnet18", "width": 0.05, "kernel_side": 5},
    "segnet": {"width": 0.05},
    "unet": {"width": 0.06},
    "unet_encoder": {"encoder": "resnet18", "width": 0.05},
    "fpn": {"encoder": "resnet18", "width": 8},
    "film_fpn": {"encoder": "resnet18", "width": 8, "hidden": 8},
    "half_pyramid": {"encoder": "resnet18", "width": 8, "detail": 4},
    "crackformer": {"width": 16},
    "hrnet_ocr": {"width": 4, "pixel_channels": 16, "context_channels": 8},
}
SEG_CASES = [
    *((name, {}) for name in sorted(SEG_NETWORKS)),
    ("pspnet", {"encoder": "resnet50"}),
    ("unet_encoder", {"encoder": "resnet50"}),
    ("unet_encoder", {"cam": True}),
    ("unet_encoder", {"darkness": True}),
    *((name, {"encoder": LITE0}) for name in sorted(SMALL_SEG) if "encoder" in SMALL_SEG[name]),
    ("fpn", {"encoder": LITE0, "full_resolution": True, "dropout": 0.2}),
]

SMALL_DSRL = {"encoder": "resnet18", "width": 0.1}
SMALL_TWO_HEADS = {"encoder": "resnet18", "width": 8, "detail": 4}
