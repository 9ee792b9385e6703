"""Networks, their bases, and the tables of them by the type that options call them.

``JointModel(SR_NETWORKS["kbpn"](scale=4), SEG_NETWORKS["pspnet"]())`` is the paper's CSBSR; a network of one's own
derives from ``SuperResolution`` or ``Segmentation``, one for both tasks from ``ParallelModel``.
"""

from contracts.records import JointOutput, Restored, Segmented
from models.base import Maps, ParallelModel, Segmentation, SuperResolution, WholeModel
from models.joint import JointModel
from models.residual import ResidualModel
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS

__all__ = [
    "SEG_NETWORKS",
    "SR_NETWORKS",
    "WHOLE_NETWORKS",
    "JointModel",
    "JointOutput",
    "Maps",
    "ParallelModel",
    "ResidualModel",
    "Restored",
    "Segmentation",
    "Segmented",
    "SuperResolution",
    "WholeModel",
]
