"""Super-resolution networks: classes of ``models.base.SuperResolution``, by the type that options call them."""

from __future__ import annotations

from models.base import SuperResolution
from models.sr.basicsr_networks import EDSR, RCAN, SRVGG, RRDBNet, SwinIR
from models.sr.bicubic import Bicubic
from models.sr.dbpn import DBPN
from models.sr.kbpn import KBPN
from models.sr.srcnet import SrcNet

SR_NETWORKS: dict[str, type[SuperResolution]] = {
    "kbpn": KBPN,
    "dbpn": DBPN,
    "srcnet": SrcNet,
    "bicubic": Bicubic,
    "edsr": EDSR,
    "rcan": RCAN,
    "rrdbnet": RRDBNet,
    "swinir": SwinIR,
    "srvgg": SRVGG,
}
