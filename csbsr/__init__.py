"""The front door for Python programs: load trained weights, find cracks, and the tables of what can be built.

    import csbsr
    find_cracks = csbsr.load()          # the shipped weights; csbsr.load("experiments/a/models/best.pth") others
    found = find_cracks("photo.jpg")    # or an array RGB [H,W,3], or a PIL image
    found.mask, found.probability, found.restored

Nothing is downloaded. What a user can repair is raised as ``UserError``, one line.
"""

from contracts.errors import UserError
from csbsr.predictor import Predictor, load
from degradations.presets import PRESETS
from engine.predict.photo import Found
from losses.combo import SEGMENTATION_LOSSES
from metrics.names import METRICS
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS

__all__ = [
    "METRICS", "PRESETS", "SEGMENTATION_LOSSES", "SEG_NETWORKS", "SR_NETWORKS", "WHOLE_NETWORKS",
    "Found", "Predictor", "UserError", "load",
]
