"""The table of network families whose checkpoints can be read."""

from __future__ import annotations

from models.reference_keys.back_projection import DBPN
from models.reference_keys.crackformer import CRACKFORMER
from models.reference_keys.dsrl import DSRL
from models.reference_keys.hrnet import HRNET_OCR
from models.reference_keys.kbpn import KBPN
from models.reference_keys.pspnet import PSPNET, PSPNET_BLUR_SKIP
from models.reference_keys.rules import Family
from models.reference_keys.srcnet import SEGNET, SRCNET
from models.reference_keys.unet import UNET

FAMILIES: dict[str, Family] = {
    "kbpn": KBPN,
    "dbpn": DBPN,
    "srcnet": SRCNET,
    "pspnet": PSPNET,
    "pspnet_blurskip": PSPNET_BLUR_SKIP,
    "segnet": SEGNET,
    "crackformer": CRACKFORMER,
    "hrnet_ocr": HRNET_OCR,
    "unet": UNET,
    "dsrl": DSRL,
}
