"""Crack centrelines: their agreement with a tolerance, for labels whose width is uncertain, and the width around them.

Centrelines are the skeletons of T. Zhang and C. Suen (1984).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from metrics.distance import squared_distance


def centreline_iou(prediction: NDArray, mask: NDArray, tolerance: float = 4.0) -> float:
    """IoU of the two centrelines (clIoU) in [0, 1]; both masks empty: 1, exactly one: 0.

    True positives are predicted centreline pixels near the true centreline, false positives the other predicted
    ones, misses the true centreline pixels that are not near the predicted one.

    Args:
        prediction: predicted mask [H,W], non-zero where crack.
        mask: true mask [H,W], likewise.
        tolerance: the distance that counts as near, at most, pixels.

    Raises:
        ValueError: if the sizes differ.
    """
    if np.shape(prediction) != np.shape(mask):
        raise ValueError(f"prediction {np.shape(prediction)} and mask {np.shape(mask)} differ in size")
    predicted = skeletonize(np.asarray(prediction) != 0)
    truth = skeletonize(np.asarray(mask) != 0)
    if not predicted.any() or not truth.any():
        return float(predicted.any() == truth.any())
    true_positive = _within(predicted, truth, tolerance)
    false_positive = int(predicted.sum()) - true_positive
    missed = int(truth.sum()) - _within(truth, predicted, tolerance)
    return true_positive / (true_positive + false_positive + missed)


def mean_width(mask: NDArray) -> float | None:
    """Mean width of cracks [H,W] in pixels: their area by the pixels of their centrelines; None without a crack.

    A slanting centreline has fewer pixels than its length, so that slanting cracks count as up to 1.4 times as wide.
    """
    crack = np.asarray(mask) != 0
    centreline = np.count_nonzero(skeletonize(crack))
    return np.count_nonzero(crack) / centreline if centreline else None


def _within(points: NDArray[np.bool_], others: NDArray[np.bool_], tolerance: float) -> int:
    """Number of ``points`` at most ``tolerance`` pixels from the nearest of ``others``."""
    return int(np.count_nonzero(squared_distance(others)[points] <= tolerance**2))
