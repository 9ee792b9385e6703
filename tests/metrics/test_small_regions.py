"""Removal of small regions against scikit-image's, at several thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.morphology import remove_small_objects

from metrics.small_regions import area_open, remove_small_regions


def blobs(seed: int) -> np.ndarray:
    """Smooth random values in [0, 1], float32 [70,90], whose regions are of many sizes."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(70, 90)), 1.5)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.35, 0.5, 0.65])
@pytest.mark.parametrize("minimum_area", [2, 20, 100])
def test_small_regions_go_and_nothing_else_changes(threshold: float, minimum_area: int) -> None:
    prob = blobs(minimum_area)
    before = prob.copy()
    cleaned = remove_small_regions(prob, minimum_area, threshold)
    kept = remove_small_objects(prob >= np.float32(threshold), max_size=minimum_area - 1, connectivity=2)
    assert np.array_equal(cleaned >= np.float32(threshold), kept) and cleaned.dtype == np.float32
    assert np.array_equal(cleaned[kept], prob[kept])
    assert np.array_equal(cleaned[prob < threshold], prob[prob < threshold])
    assert np.array_equal(prob, before)


def test_nothing_small_leaves_the_map_itself() -> None:
    prob = np.zeros((8, 8), np.float32)
    assert remove_small_regions(prob, 100) is prob
    prob[2:6, 2:6] = 0.9
    assert remove_small_regions(prob, 16) is prob and remove_small_regions(prob, 0) is prob
    assert remove_small_regions(prob, 17).max() < 0.5


@pytest.mark.parametrize("minimum_area", [2, 20, 100])
def test_opening_removes_the_same_at_every_threshold(minimum_area: int) -> None:
    prob = blobs(minimum_area)
    opened = area_open(prob, minimum_area)
    assert opened.dtype == np.float32 and (opened < prob).any()
    for threshold in np.linspace(0.01, 0.99, 99, dtype=np.float32):
        kept = remove_small_objects(prob >= threshold, max_size=minimum_area - 1, connectivity=2)
        assert np.array_equal(opened >= threshold, kept)


def test_opening_without_an_area_is_the_map_itself() -> None:
    prob = blobs(1)
    assert area_open(prob, 0) is prob and area_open(prob, 1) is prob
