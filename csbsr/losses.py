"""Losses, and the table of segmentation losses by the name that options call them.

``JointLoss(SEGMENTATION_LOSSES["boundary_combo"](), KBPNLoss())(output, batch, alpha, beta).total`` is what joint
training minimises; ``batch`` is a ``DegradedBatch``.
"""

from contracts.records import DegradedBatch, LossReport
from losses.combo import SEGMENTATION_LOSSES, BoundaryCombo, RegionCombo
from losses.image_label import IMAGE_LABEL_LOSSES
from losses.joint import JointLoss
from losses.sr import KBPNLoss

__all__ = [
    "IMAGE_LABEL_LOSSES",
    "SEGMENTATION_LOSSES",
    "BoundaryCombo",
    "DegradedBatch",
    "JointLoss",
    "KBPNLoss",
    "LossReport",
    "RegionCombo",
]
