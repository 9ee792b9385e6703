"""Figures of a whole set from the pixel counts of its images at 99 thresholds.

Papers differ in what they average. Pooled: the pixels of all images are counted as one image's. Mean over images: each
image has its figure. A large or much-cracked photograph weighs more in the first, a crack-free one only in the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metrics import sweep
from metrics.sweep import Counts


def stacked(images: Sequence[Counts]) -> Counts:
    """The counts of several images [T] as one [N,T], with pixels [N,1]."""
    return Counts(
        np.stack([one.true_positive for one in images]),
        np.stack([one.false_positive for one in images]),
        np.stack([one.false_negative for one in images]),
        np.array([[one.pixels] for one in images], dtype=np.int64),
    )


def pooled(counts: Counts) -> Counts:
    """Sums [T] over images [N,T]: all pixels of the set as one image's."""
    return Counts(
        counts.true_positive.sum(axis=0),
        counts.false_positive.sum(axis=0),
        counts.false_negative.sum(axis=0),
        int(np.sum(counts.pixels)),
    )


def iou(counts: Counts) -> NDArray[np.float64]:
    """Intersection over union of the crack class, of the shape of the counts, without smoothing; both empty: 1."""
    dice = sweep.dice(counts)
    return dice / (2 - dice)


def two_class_iou(counts: Counts) -> NDArray[np.float64]:
    """Mean of the IoU of crack and of background ("mIoU"), of the shape of the counts; a class absent from both: 1.

    With 2% of crack pixels, a prediction without any crack has about .49: the background is averaged in.
    """
    errors = counts.false_positive + counts.false_negative
    background = counts.pixels - counts.true_positive - errors
    union = background + errors
    of_background = np.divide(background, union, out=np.ones(union.shape), where=union > 0)
    return (iou(counts) + of_background) / 2


def average_precision(counts: Counts) -> float:
    """Area under the precision-recall curve of pooled counts [T], in [0, 1]; NaN without a crack pixel.

    The sum over descending thresholds of precision times the gain in recall, without interpolation, as scikit-learn's
    ``average_precision_score``; the last point, where every pixel is called crack, has recall 1. Equal to it if
    probabilities are first reduced to the number of thresholds below them.
    """
    crack = int(counts.true_positive[0] + counts.false_negative[0])
    if crack == 0:
        return float("nan")
    hit = np.concatenate([[crack], counts.true_positive])
    called = np.concatenate([[counts.pixels], counts.true_positive + counts.false_positive])
    gain = -np.diff(hit, append=0) / crack
    return float(np.sum(gain * hit / np.maximum(called, 1)))


def crack_free(counts: Counts) -> NDArray[np.bool_]:
    """Which of the images [N,T] hold no crack pixel, [N]."""
    return (counts.true_positive + counts.false_negative)[:, 0] == 0


def best(curve: NDArray[np.float64]) -> tuple[float, float]:
    """The highest value of a curve over the 99 thresholds [T], and its threshold: chosen on the very set it is of."""
    index = int(np.argmax(curve))
    return float(curve[index]), float(sweep.THRESHOLDS[index])


def threshold_index(threshold: float) -> int:
    """Index of a threshold among the 99. Raises ValueError for one that is none of .01, .02, ... .99."""
    index = round(threshold * 100) - 1 if math.isfinite(threshold) else -1
    if not 0 <= index < len(sweep.THRESHOLDS) or abs(sweep.THRESHOLDS[index] - threshold) > 1e-9:
        raise ValueError(f"threshold {threshold}: give one of 0.01, 0.02, ... 0.99")
    return index
