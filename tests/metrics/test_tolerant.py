"""Matches within a tolerance against distances from pixel to pixel, and what follows from them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from metrics import sweep, tolerant
from metrics.tolerant import Matches, match


def image(seed: int, shape: tuple[int, int] = (24, 30)) -> tuple[np.ndarray, np.ndarray]:
    """Levels 0..99 and a mask that resemble each other."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.random(shape), 2)
    truth = field > np.quantile(field, 0.9)
    prob = np.clip(0.5 * truth + ndimage.gaussian_filter(rng.random(shape), 1), 0, 1)
    return sweep.threshold_levels(prob), truth


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tolerance", [1, 2, 5])
def test_each_threshold_pixel_by_pixel(seed: int, tolerance: int) -> None:
    levels, truth = image(seed)
    ours = match(levels, truth, [tolerance])[tolerance]
    true = np.argwhere(truth)
    for k in range(0, 99, 7):
        predicted = np.argwhere(levels > k)
        right = found = 0
        if len(predicted):
            between = cdist(predicted, true)
            right, found = (between.min(axis=1) <= tolerance).sum(), (between.min(axis=0) <= tolerance).sum()
        assert (ours.right[k], ours.predicted[k], ours.found[k]) == (right, len(predicted), found)
        assert ours.truth[k] == len(true)


def test_without_tolerance_f_is_dice() -> None:
    levels, truth = image(0)
    counts = sweep.count(levels, truth)
    np.testing.assert_allclose(tolerant.f_measure(Matches.exact(counts)), sweep.dice(counts), atol=1e-12)
    zero = match(levels, truth, [0])[0]
    np.testing.assert_array_equal(zero.right, counts.true_positive)
    np.testing.assert_array_equal(zero.found, counts.true_positive)


@pytest.mark.parametrize("seed", range(5))
def test_more_tolerance_is_no_worse(seed: int) -> None:
    levels, truth = image(seed)
    f = [tolerant.f_measure(one) for one in match(levels, truth, [0, 1, 2, 5]).values()]
    for tight, loose in pairwise(f):
        assert (loose >= tight - 1e-12).all() and loose.max() <= 1


def test_by_hand() -> None:
    """A line beside the true one: nothing is right without tolerance, all within a pixel; a far pixel stays wrong."""
    truth = np.zeros((20, 20), bool)
    truth[5, 2:12] = True
    prob = np.zeros((20, 20))
    prob[6, 2:12], prob[15, 15] = 0.9, 0.6
    found = match(sweep.threshold_levels(prob), truth, [0, 1])
    assert tolerant.f_measure(found[0])[sweep.HALF] == 0.0
    at_half = tolerant.precision(found[1])[sweep.HALF], tolerant.recall(found[1])[sweep.HALF]
    assert at_half == pytest.approx((10 / 11, 1.0))
    assert tolerant.f_measure(found[1])[sweep.HALF] == pytest.approx(2 * 10 / 11 / (10 / 11 + 1))
    assert tolerant.f_measure(found[1])[69] == 1.0  # at .7 the far pixel is gone


def test_empty_rules() -> None:
    nothing, truth = np.zeros((20, 20)), np.zeros((20, 20), bool)
    empty = sweep.threshold_levels(nothing)
    assert (tolerant.f_measure(match(empty, truth, [2])[2]) == 1.0).all()
    truth[5, 5] = True
    missed = match(empty, truth, [2])[2]
    assert (tolerant.f_measure(missed) == 0.0).all() and np.isnan(tolerant.precision(missed)).all()
    invented = match(sweep.threshold_levels(truth * 0.8), np.zeros((20, 20), bool), [2])[2]
    f = tolerant.f_measure(invented)
    assert f[sweep.HALF] == 0.0 and f[85] == 1.0 and np.isnan(tolerant.recall(invented)).all()


def test_ods_has_one_threshold_and_ois_one_for_each_image() -> None:
    """Two images, each perfect at a threshold of its own: .2 and .7."""
    truth = np.zeros((10, 10), bool)
    truth[2:4] = True
    maps = [np.where(truth, 0.3, 0.1), np.where(truth, 0.8, 0.6)]
    images = Matches.stacked([match(sweep.threshold_levels(prob), truth, [0])[0] for prob in maps])
    assert tolerant.ois(images).tolist() == [1.0, 1.0]
    best, index = tolerant.ods(images)
    # at .2: 40 right, 80 wrong, none missed; at .7: 20 right, none wrong, 20 missed
    assert best == pytest.approx(2 * 20 / (2 * 20 + 20)) and 0.6 <= sweep.THRESHOLDS[index] < 0.8
