"""Crack centrelines: their agreement, for labels whose width is uncertain, and the width around them.

Centrelines are the skeletons of T. Zhang and C. Suen (1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from metrics.distance import squared_distance

TOLERANCE = 4.0  # px, of OmniCrack30k


@dataclass(frozen=True)
class Centrelines:
    """Pixel counts of the predicted and the true centreline; those of images add up to those of their set.

    Attributes:
        predicted: of the predicted centreline.
        right: those of them near the true one.
        truth: of the true centreline.
        found: those of them near the predicted one.
        inside_truth: predicted ones inside the true mask.
        inside_prediction: true ones inside the predicted mask.
    """

    predicted: int
    right: int
    truth: int
    found: int
    inside_truth: int
    inside_prediction: int

    def __add__(self, other: Centrelines) -> Centrelines:
        return Centrelines(**{key: value + getattr(other, key) for key, value in vars(self).items()})

    @property
    def union(self) -> int:
        """What clIoU divides by: the true centreline, and the wrong pixels of the predicted one."""
        return self.truth + self.predicted - self.right

    @property
    def cliou(self) -> float:
        """IoU in [0, 1], true positives counted on the true centreline; both empty: 1, exactly one: 0.

        clIoU of C. Benz and V. Rodehorst, "OmniCrack30k" (2024), after their ``evaluation.py``: found pixels of the
        true centreline by these, the missed ones and the wrong ones of the predicted centreline. They thin
        predictions by Z. Guo and R. Hall (1989) and have true centrelines in their data set.
        """
        return _share(self.found, self.union)

    @property
    def cliou_predicted(self) -> float:
        """The same with true positives counted on the predicted centreline, which gains by being doubled."""
        return _share(self.right, self.predicted + self.truth - self.found)

    @property
    def cldice(self) -> float:
        """clDice in [0, 1] (S. Shit et al., 2021); both empty: 1, exactly one: 0.

        The harmonic mean of the share of the predicted centreline inside the true mask and of the share of the true
        centreline inside the predicted mask.
        """
        if not self.predicted or not self.truth:
            return float(self.predicted == self.truth)
        precision, sensitivity = self.inside_truth / self.predicted, self.inside_prediction / self.truth
        return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def compare_centrelines(prediction: NDArray, mask: NDArray, tolerance: float = TOLERANCE) -> Centrelines:
    """Compare the centrelines of two masks.

    Args:
        prediction: predicted mask [H,W], non-zero where crack.
        mask: true mask [H,W], likewise.
        tolerance: the distance that counts as near, at most, pixels.

    Raises:
        ValueError: if the sizes differ.
    """
    if np.shape(prediction) != np.shape(mask):
        raise ValueError(f"prediction {np.shape(prediction)} and mask {np.shape(mask)} differ in size")
    predicted_crack, true_crack = np.asarray(prediction) != 0, np.asarray(mask) != 0
    predicted, truth = skeletonize(predicted_crack), skeletonize(true_crack)
    return Centrelines(
        predicted=int(predicted.sum()),
        right=_within(predicted, truth, tolerance),
        truth=int(truth.sum()),
        found=_within(truth, predicted, tolerance),
        inside_truth=int((predicted & true_crack).sum()),
        inside_prediction=int((truth & predicted_crack).sum()),
    )


def mean_width(mask: NDArray) -> float | None:
    """Mean width of cracks [H,W] in pixels: their area by the pixels of their centrelines; None without a crack.

    A slanting centreline has fewer pixels than its length, so that slanting cracks count as up to 1.4 times as wide.
    """
    crack = np.asarray(mask) != 0
    centreline = np.count_nonzero(skeletonize(crack))
    return np.count_nonzero(crack) / centreline if centreline else None


def _within(points: NDArray[np.bool_], others: NDArray[np.bool_], tolerance: float) -> int:
    """Number of ``points`` at most ``tolerance`` pixels from the nearest of ``others``; 0 if either is empty."""
    if not points.any() or not others.any():
        return 0
    return int(np.count_nonzero(squared_distance(others)[points] <= tolerance**2))


def _share(hits: int, union: int) -> float:
    return hits / union if union else 1.0
