"""Super-resolution networks, each ``forward(lr [B,3,h,w], kernel=None) -> Restored``.

Every one has ``scale`` and ``feature_channels`` (channels of ``Restored.features``, None without).
"""

from __future__ import annotations

from torch import nn

from models.sr.basicsr_networks import EDSR, RCAN, SRVGG, RRDBNet, SwinIR
from models.sr.bicubic import Bicubic
from models.sr.dbpn import DBPN
from models.sr.kbpn import KBPN
from models.sr.srcnet import SrcNet

SR_NETWORKS: dict[str, type[nn.Module]] = {
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
