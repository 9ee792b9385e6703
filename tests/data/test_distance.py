"""The signed distance map against the reference's figures, SciPy and cases worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from data.distance import signed_distance_map


def scipy_signed_distance(mask: np.ndarray) -> np.ndarray:
    """The definition in float64, with SciPy's exact transform."""
    crack = mask.astype(bool)
    outside, inside = ndimage.distance_transform_edt(~crack), ndimage.distance_transform_edt(crack)
    boundary = crack & ndimage.binary_dilation(~crack)
    return np.where(boundary, 0, outside / outside.max() - inside / inside.max())


def test_reference_figures(root: Path) -> None:
    stored = np.load(root / "tests/fixtures/signed_distance.npz")
    for mask, expected in zip(stored["mask"], stored["signed_distance"], strict=True):
        np.testing.assert_allclose(signed_distance_map(mask)[stored["rows"]], expected, atol=1e-6)


def test_full_fixture(shared: Path) -> None:
    stored = np.load(shared / "parity/losses.npz")
    for mask, expected in zip(stored["mask"][:, 0], stored["signed_distance"][:, 0], strict=True):
        np.testing.assert_allclose(signed_distance_map(mask), expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 150), st.integers(2, 150), st.floats(0.001, 0.999), st.integers(0, 2**32 - 1))
def test_against_scipy(height: int, width: int, density: float, seed: int) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < density).astype(np.uint8)
    mask[0, 0], mask[-1, -1] = 0, 1
    actual = signed_distance_map(mask)
    assert actual.dtype == np.float32
    assert np.abs(actual).max() <= 1
    np.testing.assert_allclose(actual, scipy_signed_distance(mask), atol=1e-6)


def test_large_image_stays_exact() -> None:
    mask = np.zeros((1200, 1600), np.uint8)
    mask[600:640, 700:760] = 1
    np.testing.assert_allclose(signed_distance_map(mask), scipy_signed_distance(mask), atol=1e-6)


def test_worked_by_hand() -> None:
    mask = np.array([[0, 1, 1, 1, 1, 0, 0]] * 3)
    expected = [1 / 2, 0, -1, -1, 0, 1 / 2, 1]  # the image border is no background
    np.testing.assert_allclose(signed_distance_map(mask), [expected] * 3)


def test_thin_crack_is_zero() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[3:5] = 1
    assert (signed_distance_map(mask)[3:5] == 0).all()


@pytest.mark.parametrize("value", [0, 1])
def test_without_boundary_it_is_zero(value: int) -> None:
    assert (signed_distance_map(np.full((5, 6), value)) == 0).all()


def test_soft_masks_are_truncated() -> None:
    soft = np.array([[0.0, 0.996, 1.0, 0.5]])
    np.testing.assert_array_equal(signed_distance_map(soft), signed_distance_map(np.array([[0, 0, 1, 0]])))


def test_shape_is_checked() -> None:
    with pytest.raises(ValueError, match=r"\[H,W\]"):
        signed_distance_map(np.zeros((1, 4, 4)))
