"""Surface Dice, or normalised surface distance (NSD): the share of two masks' contours that agree within a tolerance.

S. Nikolov et al. (2018), the surfaces of ``metrics.surface``: both contours are weighted by length and counted
together, so that a crack drawn a pixel too wide is no error, and one that is missed is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.surface import LENGTHS, Surface, surface

TOLERANCE = 2.0  # px


def surface_dice(prediction: NDArray, mask: NDArray, tolerance: float = TOLERANCE) -> float:
    """NSD in [0, 1]; both masks empty: 1, exactly one: 0.

    Args:
        prediction: predicted mask [H,W], non-zero where crack.
        mask: true mask [H,W], likewise.
        tolerance: the largest distance that agrees, pixels.

    Raises:
        ValueError: if the sizes differ.
    """
    if np.shape(prediction) != np.shape(mask):
        raise ValueError(f"prediction {np.shape(prediction)} and mask {np.shape(mask)} differ in size")
    predicted, true = surface(prediction), surface(mask)
    if predicted.empty or true.empty:
        return float(predicted.empty == true.empty)
    near = _length_near(predicted, true, tolerance) + _length_near(true, predicted, tolerance)
    return near / (LENGTHS[predicted.rank].sum() + LENGTHS[true.rank].sum())


def _length_near(one: Surface, other: Surface, tolerance: float) -> float:
    """Length of the part of one contour that lies at most ``tolerance`` from the other."""
    near = other.squared_distance_at(one.index) <= tolerance**2
    return float(LENGTHS[one.rank[near]].sum())
