"""Surface distances against SciPy, hand-worked cases and reference numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist, directed_hausdorff

from metrics import distance, sweep
from metrics.surface import LENGTHS, Corners, SurfaceDistance, SurfaceTarget, outlier_distance, surface, surface_sweep


def blobs(seed: int, shape: tuple[int, int] = (30, 40)) -> np.ndarray:
    """A random mask with at least one pixel."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return field > np.quantile(field, 0.9)


def surface_distance(prediction: np.ndarray, mask: np.ndarray, percentile: float = 95.0) -> SurfaceDistance:
    """Distances of two masks, in pixels."""
    return SurfaceTarget(mask, percentile).distance(surface(prediction))


def points(mask: np.ndarray) -> np.ndarray:
    found = surface(mask)
    return np.stack(np.unravel_index(found.index, found.grid), axis=1).astype(float)


def test_reference_numbers_subset(root: Path) -> None:
    data = np.load(root / "tests/fixtures/metrics.npz")
    for levels, mask, hausdorff, mean in zip(*(data[k] for k in ("levels", "mask", "hd95", "assd")), strict=True):
        results = surface_sweep(levels, SurfaceTarget(mask), range(99))
        ours = np.array([results[k] for k in range(99)])
        np.testing.assert_allclose(np.nan_to_num(ours, nan=-1), np.stack([hausdorff, mean], 1), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_percentile_100_is_scipy_hausdorff(seed: int) -> None:
    a, b = blobs(seed), blobs(seed + 100)
    expected = max(directed_hausdorff(points(a), points(b))[0], directed_hausdorff(points(b), points(a))[0])
    assert surface_distance(a, b, percentile=100).hausdorff == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_percentile_and_mean_by_brute_force(seed: int) -> None:
    a, b = blobs(seed), blobs(seed + 100)
    between = cdist(points(a), points(b))
    ours = surface_distance(a, b, percentile=80)
    percentiles, means = [], []
    for nearest, mask in ((between.min(axis=1), a), (between.min(axis=0), b)):
        length = LENGTHS[surface(mask).rank]
        order = np.argsort(nearest, kind="stable")
        fraction = length[order].cumsum() / length.sum()
        percentiles.append(nearest[order][np.argmax(fraction >= 0.8)])
        means.append((nearest * length).sum() / length.sum())
    assert ours.hausdorff == pytest.approx(max(percentiles), abs=1e-12)
    assert ours.mean == pytest.approx(np.mean(means), abs=1e-12)


def test_hand_worked_surfaces() -> None:
    single = surface(np.array([[1]]))  # four corner points of half a diagonal each
    assert single.index.tolist() == [0, 1, 2, 3] and LENGTHS[single.rank].tolist() == [np.sqrt(0.5)] * 4
    row = surface(np.array([[1, 1]]))
    assert LENGTHS[row.rank].sum() == pytest.approx(2 + 4 * np.sqrt(0.5))
    diagonal = surface(np.eye(2))
    assert LENGTHS[diagonal.rank].max() == np.sqrt(2) and diagonal.index.size == 7
    assert surface(np.ones((3, 3))).index.size == 12  # the image border counts as outside


def test_hand_worked_distances() -> None:
    a, b = np.zeros((5, 9)), np.zeros((5, 9))
    a[2, 1], b[2, 4] = 1, 1
    assert surface_distance(a, b, 100) == pytest.approx((3.0, 2.5))  # two points 2 px away, two 3 px
    assert surface_distance(a, b, 50).hausdorff == pytest.approx(2.0)
    assert surface_distance(a, a) == (0.0, 0.0)


def test_empty_rules() -> None:
    nothing, something = np.zeros((6, 8)), np.eye(6, 8)
    assert surface_distance(nothing, nothing) == (0.0, 0.0)
    for pair in ((nothing, something), (something, nothing)):
        assert np.isnan(surface_distance(*pair)).all()
    assert outlier_distance((6, 8), "diagonal") == 10.0
    assert outlier_distance((6, 8), "width") == 8.0
    with pytest.raises(ValueError, match="'diagonal' or 'width'"):
        outlier_distance((6, 8), "zero")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(1, 100))
def test_symmetric_and_monotonous_in_the_percentile(seed: int, percentile: float) -> None:
    a, b = blobs(seed, (14, 11)), blobs(seed + 1, (14, 11))
    forth, back = surface_distance(a, b, percentile), surface_distance(b, a, percentile)
    assert forth == pytest.approx(back)
    assert forth.hausdorff <= surface_distance(a, b, 100).hausdorff
    assert surface_distance(a[::-1].T, b[::-1].T, percentile) == pytest.approx(forth)


def test_sweep_equals_single_comparisons_and_skips_equal_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    prob = np.zeros((20, 20))
    prob[4:9, 4:9], prob[5:8, 5:8] = 0.3, 0.8
    truth = np.zeros((20, 20))
    truth[4:9, 6:12] = 1
    target = SurfaceTarget(truth)
    calls: list[int] = []
    compare = target.distance
    monkeypatch.setattr(target, "distance", lambda predicted: calls.append(1) or compare(predicted))
    results = surface_sweep(sweep.threshold_levels(prob), target, range(99))
    assert len(calls) == 3  # the square, its core, nothing
    assert results[10] == surface_distance(prob > 0.11, truth)
    assert results[60] == surface_distance(prob > 0.61, truth)
    assert np.isnan(results[90]).all()


@pytest.mark.parametrize("seed", range(3))
def test_surfaces_of_all_thresholds_are_those_of_each_mask(seed: int) -> None:
    """By the mask's own definition of a surface: a corner whose four pixels are neither all set nor all unset."""
    levels = np.random.default_rng(seed).integers(0, 6, (7, 9)).astype(np.uint8) * 20
    corners = Corners(levels)
    for k in range(102):
        padded = np.pad(levels > k, 1).astype(int)
        around = padded[:-1, :-1] + padded[:-1, 1:] + padded[1:, :-1] + padded[1:, 1:]
        diagonal = (around == 2) & (padded[:-1, :-1] == padded[1:, 1:])
        length = np.select([around % 2 == 1, diagonal, around == 2], [np.sqrt(0.5), np.sqrt(2), 1.0])
        found = corners.surface(k)
        ours = np.zeros(length.size)
        ours[found.index] = LENGTHS[found.rank]
        np.testing.assert_array_equal(ours.reshape(length.shape), length)


def test_squared_distances_are_exact_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    far = np.zeros((300, 400), dtype=bool)
    far[3, 7] = True
    rows, columns = np.indices(far.shape)
    expected = (rows - 3) ** 2 + (columns - 7) ** 2
    np.testing.assert_array_equal(distance.squared_distance(far), expected)
    monkeypatch.setattr(distance, "EXACT_DIAGONAL", 0)  # the way taken by large images
    np.testing.assert_array_equal(distance.squared_distance(far), expected)
    with pytest.raises(ValueError, match="empty set"):
        distance.squared_distance(far & False)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="differ in size: 3x4 and 4x3"):
        surface_distance(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="percentile"):
        SurfaceTarget(np.ones((3, 4)), percentile=0)
