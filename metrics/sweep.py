"""Overlap of prediction and ground truth at 99 thresholds, from one histogram per image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.arange(1, 100) / 100.0
HALF = 49  # index of the threshold 0.50
IOU_SMOOTHING = 1e-5


@dataclass(frozen=True)
class Counts:
    """Pixel counts at each threshold, int64 [T]: true and false positives, misses; and all pixels of the image.

    Those of several images are [N,T], with pixels [N,1] (``metrics.pooled.stacked``).
    """

    true_positive: NDArray[np.int64]
    false_positive: NDArray[np.int64]
    false_negative: NDArray[np.int64]
    pixels: int | NDArray[np.int64]


def threshold_levels(prob: NDArray, thresholds: NDArray = THRESHOLDS) -> NDArray[np.uint8]:
    """Return for each pixel how many thresholds lie strictly below its probability.

    ``levels > k`` is then the predicted mask ``prob > thresholds[k]``, compared in float32 with the
    threshold rounded to float32, as the reference code does.

    Args:
        prob: [H,W] in [0, 1].
        thresholds: ascending, at most 255 of them.

    Raises:
        ValueError: if a probability is not finite or lies outside [0, 1].
    """
    flat = np.asarray(prob, dtype=np.float32)
    if flat.size and not (flat.min() >= 0.0 and flat.max() <= 1.0):
        raise ValueError(f"probabilities must lie in [0, 1]; received {flat.min()} to {flat.max()}")
    limits = np.asarray(thresholds).astype(np.float32)
    return np.searchsorted(limits, flat.ravel(), side="left").astype(np.uint8).reshape(flat.shape)


def count(levels: NDArray[np.uint8], mask: NDArray, thresholds: int = len(THRESHOLDS)) -> Counts:
    """Count overlaps at every threshold at once.

    Args:
        levels: [H,W] from ``threshold_levels``.
        mask: [H,W], crack where > 0.5.
        thresholds: their number T.

    Raises:
        ValueError: if the shapes differ.
    """
    if levels.shape != np.shape(mask):
        raise ValueError(f"prediction {levels.shape} and mask {np.shape(mask)} differ in size")
    crack = np.asarray(mask) > 0.5
    size = thresholds + 1
    inside = np.bincount(levels[crack], minlength=size)
    outside = np.bincount(levels[~crack], minlength=size)
    true_positive = pixels_above(inside)
    return Counts(true_positive, pixels_above(outside), inside.sum() - true_positive, levels.size)


def pixels_above(histogram: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of pixels whose level exceeds k, for k = 0 .. T-1."""
    return histogram[::-1].cumsum()[::-1][1:]


def confusion(counts: Counts, index: int = HALF) -> tuple[int, int, int, int]:
    """The pixels of each kind at one threshold.

    Args:
        counts: of one image.
        index: of the threshold, by default 0.5.

    Returns:
        True positives, false positives, false negatives and true negatives.
    """
    kinds = (counts.true_positive, counts.false_positive, counts.false_negative)
    true_positive, false_positive, false_negative = (int(pixels[index]) for pixels in kinds)
    true_negative = int(counts.pixels) - true_positive - false_positive - false_negative
    return true_positive, false_positive, false_negative, true_negative


def accuracy(counts: Counts) -> NDArray[np.float64]:
    """Share of all pixels that are right [T]."""
    return 1 - (counts.false_positive + counts.false_negative) / counts.pixels


def iou(counts: Counts, smoothing: float = IOU_SMOOTHING) -> NDArray[np.float64]:
    """Intersection over union; both masks empty: 1.

    Args:
        counts: of one image.
        smoothing: added to numerator and denominator.

    Returns:
        [T].
    """
    union = counts.true_positive + counts.false_positive + counts.false_negative
    return (counts.true_positive + smoothing) / (union + smoothing)


def dice(counts: Counts) -> NDArray[np.float64]:
    """Dice coefficient [T] without smoothing; both empty: 1."""
    twice = 2 * counts.true_positive
    return _ratio(twice, twice + counts.false_positive + counts.false_negative, empty=1.0)


def precision(counts: Counts) -> NDArray[np.float64]:
    """Share of predicted pixels that are crack [T]; NaN where nothing is predicted."""
    return _ratio(counts.true_positive, counts.true_positive + counts.false_positive, empty=np.nan)


def recall(counts: Counts) -> NDArray[np.float64]:
    """Share of crack pixels that are predicted [T]; NaN where the ground truth is empty."""
    return _ratio(counts.true_positive, counts.true_positive + counts.false_negative, empty=np.nan)


def _ratio(numerator: NDArray, denominator: NDArray, empty: float) -> NDArray[np.float64]:
    """Divide elementwise; ``empty`` where the denominator is 0."""
    filled = np.full(denominator.shape, empty, dtype=np.float64)
    return np.divide(numerator, denominator, out=filled, where=denominator > 0)
