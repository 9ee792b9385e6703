"""The front door for Python programs: trained weights in one line, and everything that can be built.

    import csbsr
    find_cracks = csbsr.load()          # the shipped weights; csbsr.load("experiments/a/models/best.pth") others
    found = find_cracks("photo.jpg")    # or an array RGB [H,W,3], or a PIL image
    found.mask, found.probability, found.restored, found.kernel
    found.cracks()                      # length, widths, centrelines, in pixels of the photograph (needs skan)

``csbsr.models``, ``csbsr.losses``, ``csbsr.metrics`` and ``csbsr.degradations`` hold networks, losses, metrics and
degradations, and the tables of them by name, for training without an options file. Nothing is downloaded. What a user
can repair is raised as ``UserError``, one line.
"""

from contracts.errors import UserError
from csbsr import degradations, losses, metrics, models
from csbsr.predictor import Predictor, load
from engine.predict.photo import Prediction

__all__ = ["Prediction", "Predictor", "UserError", "degradations", "load", "losses", "metrics", "models"]
