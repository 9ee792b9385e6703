"""Matches of predicted and true crack pixels within a few pixels, at every threshold at once, and their F measure.

Crack labels are uncertain by a pixel or two, so the field's tables count a predicted pixel as right if a true one lies
within a tolerance: 2 px in Q. Zou et al., "CrackTree" (2012) and "DeepCrack" (2018) and R. Amhaz et al. (2016); 5 px
in Y. Shi et al., "CrackForest" (2016). Here precision is the share of predicted pixels with a true one at most r px
away, and recall the share of true pixels with a predicted one at most r px away (Euclidean, as the crow flies). One
pixel may match many, which the one-to-one matching of thinned edges in the BSDS benchmark (P. Arbelaez et al., 2011)
forbids: figures of papers that use its toolbox are lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.distance import squared_distance
from metrics.sweep import THRESHOLDS, Counts, pixels_above

TOLERANCES = (2, 5)  # px


@dataclass(frozen=True)
class Matches:
    """Pixel counts at T thresholds: of one image int64 [T], of several [N,T].

    Attributes:
        right: predicted pixels near a true one.
        predicted: all predicted pixels.
        found: true pixels near a predicted one.
        truth: all true pixels, the same at each threshold.
    """

    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    found: NDArray[np.int64]
    truth: NDArray[np.int64]

    @classmethod
    def exact(cls, counts: Counts) -> Matches:
        """Without tolerance: a pixel matches itself alone, and F is Dice."""
        hit = counts.true_positive
        return cls(hit, hit + counts.false_positive, hit, hit + counts.false_negative)

    @classmethod
    def stacked(cls, images: Sequence[Matches]) -> Matches:
        """Those of several images [T] as one [N,T]."""
        fields = zip(*((one.right, one.predicted, one.found, one.truth) for one in images), strict=True)
        return cls(*(np.stack(field) for field in fields))

    def pooled(self) -> Matches:
        """Sums [T] over images [N,T]: all pixels of the set as one image's."""
        return Matches(*(field.sum(axis=0) for field in (self.right, self.predicted, self.found, self.truth)))


def match(
    levels: NDArray[np.uint8],
    truth: NDArray[np.bool_],
    tolerances: Sequence[int] = TOLERANCES,
    thresholds: int = len(THRESHOLDS),
) -> dict[int, Matches]:
    """Match one image's predictions ``levels > k`` with the truth within each tolerance.

    A true pixel is found at threshold k if a pixel of a level above k lies in the disk around it, that is if the
    highest level there (a grey dilation) is above k: one histogram of these serves all thresholds, without
    approximation.

    Args:
        levels: [H,W] from ``sweep.threshold_levels``.
        truth: [H,W].
        tolerances: pixels.
        thresholds: their number T.

    Returns:
        The matches [T] by tolerance.
    """
    size = thresholds + 1
    predicted = pixels_above(np.bincount(levels.ravel(), minlength=size))
    total = np.full(thresholds, np.count_nonzero(truth), dtype=np.int64)
    if not truth.any():
        nothing = np.zeros(thresholds, dtype=np.int64)
        return {tolerance: Matches(nothing, predicted, nothing, total) for tolerance in tolerances}
    distance = squared_distance(truth)
    matches = {}
    for tolerance in tolerances:
        right = pixels_above(np.bincount(levels[distance <= tolerance**2], minlength=size))
        highest = cv2.dilate(levels, _disk(tolerance))
        found = pixels_above(np.bincount(highest[truth], minlength=size))
        matches[tolerance] = Matches(right, predicted, found, total)
    return matches


def _disk(radius: int) -> NDArray[np.uint8]:
    """The pixels at most ``radius`` from the middle one, uint8 [2r+1,2r+1]."""
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2).astype(np.uint8)


def precision(matches: Matches) -> NDArray[np.float64]:
    """Share of predicted pixels that are right; NaN where nothing is predicted."""
    return _share(matches.right, matches.predicted)


def recall(matches: Matches) -> NDArray[np.float64]:
    """Share of true pixels that are found; NaN where there is none."""
    return _share(matches.found, matches.truth)


def f_measure(matches: Matches) -> NDArray[np.float64]:
    """Harmonic mean of precision and recall in [0, 1]; nothing predicted and nothing there: 1, exactly one: 0."""
    share, found = precision(matches), recall(matches)
    total = share + found
    applies = total > 0  # false for NaN too
    f = np.divide(2 * share * found, total, out=np.zeros_like(total), where=applies)
    return np.where((matches.predicted == 0) & (matches.truth == 0), 1.0, f)


def ods(matches: Matches) -> tuple[float, int]:
    """F of the pooled pixels at the one threshold that is best for the set (optimal dataset scale), and its index.

    Args:
        matches: of the images [N,T].
    """
    f = f_measure(matches.pooled())
    best = int(np.argmax(f))
    return float(f[best]), best


def ois(matches: Matches) -> NDArray[np.float64]:
    """Each image's F at its own best threshold [N]; their mean is OIS (optimal image scale).

    Args:
        matches: of the images [N,T].
    """
    return f_measure(matches).max(axis=-1)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
