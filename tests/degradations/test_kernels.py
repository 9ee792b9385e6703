"""Blur kernels against the authors' fixture, NumPy, moments and a fine-grid disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UserError
from degradations import kernels
from degradations.kernel_kinds import KERNELS, KernelSource, build_kernels


def moments(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (x, y) and covariance of a kernel [k,k] in pixels, y downwards."""
    half = kernel.shape[-1] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    points = np.stack([x.ravel(), y.ravel()])
    mean = points @ kernel.ravel()
    return mean, (points * kernel.ravel()) @ points.T - np.outer(mean, mean)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_gaussians_are_the_authors(root: Path) -> None:
    fixture = np.load(root / "tests/fixtures/degradation.npz")
    parameters = torch.from_numpy(fixture["sigma_x_sigma_y_theta_degrees"])
    kernel = kernels.anisotropic_gaussian(*parameters.T)
    assert kernel.shape == (5, 1, 21, 21)
    assert np.abs(kernel[:, 0].numpy() - fixture["kernels"]).max() < 1e-7


@settings(max_examples=30)
@given(st.floats(1.0, 2.5), st.floats(1.0, 2.5), st.floats(0, 180))
def test_gaussian_covariance(sigma_x: float, sigma_y: float, theta: float) -> None:
    kernel = kernels.anisotropic_gaussian(column(sigma_x), column(sigma_y), column(theta), side=31)
    mean, covariance = moments(kernel[0, 0].numpy())
    angle = np.deg2rad(theta)
    along = np.array([np.cos(angle), -np.sin(angle)])  # counter-clockwise on the screen, y downwards
    across = np.array([np.sin(angle), np.cos(angle)])
    expected = sigma_x**2 * np.outer(along, along) + sigma_y**2 * np.outer(across, across)
    assert np.abs(mean).max() < 1e-12
    np.testing.assert_allclose(covariance, expected, atol=2e-3)


def test_isotropic_gaussian_is_an_outer_product() -> None:
    line = np.exp(-(np.arange(-10, 11) ** 2) / (2 * 1.7**2))
    expected = np.outer(line, line) / line.sum() ** 2
    np.testing.assert_allclose(kernels.isotropic_gaussian(column(1.7))[0, 0].numpy(), expected, atol=1e-15)


def test_motion_is_a_line_of_its_length_and_angle() -> None:
    length, angle = 12.0, 30.0
    kernel = kernels.motion(column(length), column(angle))[0, 0].numpy()
    mean, covariance = moments(kernel)
    spread, directions = np.linalg.eigh(covariance)
    assert np.abs(mean).max() < 1e-12
    assert spread[1] == pytest.approx(length**2 / 12, abs=0.5)  # a uniform line, plus bilinear spreading
    assert spread[0] < 0.3
    slope = -directions[1, 1] / directions[0, 1]
    assert np.rad2deg(np.arctan(slope)) == pytest.approx(angle, abs=1)


def test_horizontal_motion_stays_in_its_row() -> None:
    kernel = kernels.motion(column(4.0), column(0.0), side=7)[0, 0].numpy()
    np.testing.assert_allclose(kernel[3], [0, 0.125, 0.25, 0.25, 0.25, 0.125, 0], atol=0.01)
    assert np.count_nonzero(kernel[[0, 1, 2, 4, 5, 6]]) == 0


@pytest.mark.parametrize("radius", [0.6, 1.0, 2.5, 7.3, 10.0])
def test_disk_covers_its_pixels(radius: float) -> None:
    kernel = kernels.disk(column(radius))[0, 0].numpy()
    fine = (np.arange(21 * 50) + 0.5) / 50 - 10.5
    covered = fine[:, None] ** 2 + fine[None] ** 2 <= radius**2
    expected = covered.reshape(21, 50, 21, 50).sum((1, 3)) / covered.sum()
    assert np.abs(kernel - expected).sum() < 0.01
    assert moments(kernel)[1][0, 0] == pytest.approx(moments(expected)[1][0, 0], rel=0.005)


def test_parameters_of_zero_are_a_delta() -> None:
    expected = kernels.delta(1, 21, like=column(0.0))
    assert torch.equal(kernels.disk(column(0.0)), expected)
    assert torch.allclose(kernels.motion(column(0.0), column(77.0)), expected)
    assert torch.allclose(kernels.isotropic_gaussian(column(0.05)), expected)


@pytest.mark.parametrize("name", sorted(KERNELS))
@pytest.mark.parametrize("side", [7, 21])
def test_every_kind_sums_to_one_and_is_not_negative(name: str, side: int) -> None:
    ranges = {"length": [0, side - 1], "radius": [0, (side - 1) / 2]}
    given_ranges = {key: value for key, value in ranges.items() if key in KERNELS[name].parameters}
    source = KernelSource(name, side, given_ranges)
    rng = np.random.default_rng(3)
    kernel = build_kernels([source.draw(rng) for _ in range(40)], side)
    assert kernel.shape == (40, 1, side, side)
    assert kernel.min() >= 0
    assert (kernel.sum(dim=(1, 2, 3)) - 1).abs().max() < 1e-12


def test_a_mixture_keeps_its_order_and_bits() -> None:
    rng = np.random.default_rng(0)
    sources = [KernelSource(name, 21, {}) for name in sorted(KERNELS)]
    drawn = [sources[row % 4].draw(rng) for row in range(9)]
    together = build_kernels(drawn, 21)
    for row, one in enumerate(drawn):
        assert torch.equal(build_kernels([one], 21)[0], together[row])


def test_even_side_is_refused() -> None:
    with pytest.raises(UserError, match="odd"):
        kernels.disk(column(1.0), side=20)
