"""Metrics: of one photograph at a threshold and over all of them, of restored images, and their names.

``evaluate_image(probability, mask)`` scores a photograph, an ``Accumulator`` means over many.
"""

from metrics.accumulator import Accumulator
from metrics.baselines import BASELINES
from metrics.image_quality import psnr, ssim
from metrics.names import METRICS
from metrics.scores import ImageScores, evaluate_image

__all__ = ["BASELINES", "METRICS", "Accumulator", "ImageScores", "evaluate_image", "psnr", "ssim"]
