"""Surface Dice against distances from point to point, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from metrics.surface import LENGTHS, surface
from metrics.surface_dice import surface_dice


def blobs(seed: int) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random((30, 40)), 2)
    return field > np.quantile(field, 0.9)


def points(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surface points [n,2] and the length that each stands for [n]."""
    found = surface(mask)
    return np.stack(np.unravel_index(found.index, found.grid), axis=1).astype(float), LENGTHS[found.rank]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tolerance", [1.0, 2.0, 3.0])
def test_by_brute_force(seed: int, tolerance: float) -> None:
    a, b = blobs(seed), blobs(seed + 100)
    (points_a, length_a), (points_b, length_b) = points(a), points(b)
    between = cdist(points_a, points_b)
    near = length_a[between.min(axis=1) <= tolerance].sum() + length_b[between.min(axis=0) <= tolerance].sum()
    ours = surface_dice(a, b, tolerance)
    assert ours == pytest.approx(near / (length_a.sum() + length_b.sum()), abs=1e-12)
    assert ours == pytest.approx(surface_dice(b, a, tolerance), abs=1e-12) and 0 <= ours <= 1
    assert surface_dice(a, a, tolerance) == 1.0


def square(first: int, last: int) -> np.ndarray:
    mask = np.zeros((30, 30))
    mask[first:last, first:last] = 1
    return mask


def test_by_hand() -> None:
    assert surface_dice(square(8, 20), square(10, 18), 3.0) == 1.0  # corners are 2.83 px apart
    assert 0 < surface_dice(square(8, 20), square(10, 18), 2.0) < 1.0  # sides are within 2 px, corners are not
    assert surface_dice(square(2, 8), square(20, 26)) == 0.0
    wide, thin = np.zeros((30, 30)), np.zeros((30, 30))
    wide[8:13], thin[10:11] = 1, 1
    assert surface_dice(wide, thin) == 1.0  # drawn 2 px too wide on each side


def test_empty_rules() -> None:
    nothing = np.zeros((30, 30))
    assert surface_dice(nothing, nothing) == 1.0
    assert surface_dice(square(3, 6), nothing) == surface_dice(nothing, square(3, 6)) == 0.0
    with pytest.raises(ValueError, match="differ in size"):
        surface_dice(nothing, nothing[1:])
