"""Metrics: of one photograph at a threshold and over all of them, of restored images, and their names.

``evaluate_image(probability, mask)`` scores a photograph, an ``Accumulator`` means over many. ``measure(probability)``
tells how long and how wide its cracks are (needs skan).
"""

from metrics.accumulator import Accumulator
from metrics.baselines import BASELINES
from metrics.figure import Figure
from metrics.geometry import Crack, measure
from metrics.image_quality import psnr, ssim
from metrics.names import METRICS
from metrics.scores import ImageScores, evaluate_image

__all__ = [
    "BASELINES",
    "METRICS",
    "Accumulator",
    "Crack",
    "Figure",
    "ImageScores",
    "evaluate_image",
    "measure",
    "psnr",
    "ssim",
]
