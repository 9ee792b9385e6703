"""Whether probabilities mean what they say: the expected calibration error over the pixels of a set.

M. Naeini et al. (2015), C. Guo et al., "On calibration of modern neural networks" (2017), 15 bins of equal width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
_MIDDLE = BINS // 2  # the bin that .5 halves


@dataclass(frozen=True)
class Reliability:
    """Sums by probability; those of images add up to those of their set.

    The bins of the probability of crack, the middle one as two cells, up to .5 and above it: each cell lies on one
    side of the decision, so that the same sums serve both errors.

    Attributes:
        pixels: number in each cell, [16].
        probability: sum there, [16].
        crack: true crack pixels there, [16].
    """

    pixels: NDArray[np.float64]
    probability: NDArray[np.float64]
    crack: NDArray[np.float64]

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(self.pixels + other.pixels, self.probability + other.probability, self.crack + other.crack)

    def error(self) -> float:
        """ECE in [0, 1]: how far the confidence in the class that is chosen (.5 to 1) is from the share that is right.

        Background is nearly all of a photograph and easy, so that this is small whatever becomes of cracks.
        """
        low, high = slice(None, _MIDDLE + 1), slice(_MIDDLE + 1, None)
        # Called background, the confidence is 1 - p: the cells of p from 0 up are bins of confidence from 1 down.
        pixels = self.pixels[low][::-1] + self.pixels[high]
        confidence = (self.pixels - self.probability)[low][::-1] + self.probability[high]
        right = (self.pixels - self.crack)[low][::-1] + self.crack[high]
        return float(np.abs(confidence - right).sum() / pixels.sum())

    def crack_error(self) -> float:
        """ECE of the crack class in [0, 1]: how far the probability of crack is from the share that is crack."""
        gap = self.probability - self.crack
        gap[_MIDDLE] += gap[_MIDDLE + 1]
        return float(np.abs(np.delete(gap, _MIDDLE + 1)).sum() / self.pixels.sum())


def reliability(prob: NDArray, truth: NDArray[np.bool_]) -> Reliability:
    """The sums of one image.

    Args:
        prob: float [H,W] in [0, 1].
        truth: [H,W].
    """
    flat = np.asarray(prob, dtype=np.float32).ravel()
    cell = np.minimum((flat * BINS).astype(np.int64), BINS - 1)
    cell += flat > 0.5
    pixels = np.bincount(cell, minlength=BINS + 1).astype(np.float64)
    probability = np.bincount(cell, weights=flat, minlength=BINS + 1).astype(np.float64)
    crack = np.bincount(cell[truth.ravel()], minlength=BINS + 1).astype(np.float64)
    return Reliability(pixels, probability, crack)
