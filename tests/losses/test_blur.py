"""Moments of kernels against the parameters that they were drawn with, and the loss on estimates of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from degradations.kernels import anisotropic_gaussian, delta, isotropic_gaussian, motion
from losses.blur import blur_loss, kernel_moments


def test_drawn_gaussians_have_their_sigmas_and_angle() -> None:
    generator = np.random.default_rng(0)
    along, across = generator.uniform(1.8, 3.0, 40), generator.uniform(0.6, 1.5, 40)
    theta = generator.uniform(0, 180, 40)
    kernels = anisotropic_gaussian(*map(torch.from_numpy, (along, across, theta)), side=31)
    radians = np.deg2rad(theta)
    expected = np.stack([along, across, np.cos(2 * radians), np.sin(2 * radians)], 1)
    np.testing.assert_allclose(kernel_moments(kernels), expected, rtol=0, atol=0.01)
    turned = anisotropic_gaussian(*map(torch.from_numpy, (across, along, theta - 90)), side=31)  # the same blur
    np.testing.assert_allclose(kernel_moments(turned), expected, rtol=0, atol=0.01)


@pytest.mark.parametrize(("angle", "direction"), [(0, (1, 0)), (45, (0, 1)), (90, (-1, 0)), (135, (0, -1))])
def test_direction_of_a_motion(angle: float, direction: tuple[float, float]) -> None:
    """A line of 12 px has a standard deviation of 12 over the root of 12; spread over pixels, it is about 0.4 wide."""
    blur = kernel_moments(motion(torch.tensor([12.0]), torch.tensor([float(angle)])))[0]
    assert blur[0].item() == pytest.approx(12 / 12**0.5, abs=0.1) and blur[1].item() < 0.5
    np.testing.assert_allclose(blur[2:], direction, atol=0.01)


def test_three_taps_by_hand() -> None:
    """1/4, 1/2 and 1/4 on the diagonal that rises to the right: variance 1/2 in x and y, all of it shared."""
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 2, 0] = kernel[0, 0, 0, 2] = 0.25
    kernel[0, 0, 1, 1] = 0.5
    torch.testing.assert_close(kernel_moments(kernel), torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
    off_centre = torch.zeros(1, 1, 3, 3)
    off_centre[0, 0, 0, :2] = 0.5  # variance 1/4 in x about its own mean
    torch.testing.assert_close(kernel_moments(off_centre), torch.tensor([[0.5, 0.0, 1.0, 0.0]]))


def test_round_and_sharp_kernels() -> None:
    blur = kernel_moments(isotropic_gaussian(torch.tensor([1.5])))[0]
    np.testing.assert_allclose(blur[:2], 1.5, atol=1e-3)
    assert kernel_moments(delta(2)).tolist() == [[0.0] * 4] * 2


def test_half_precision_is_widened() -> None:
    kernel = delta(1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert kernel_moments(kernel).dtype == torch.float32
        assert blur_loss(torch.zeros(1, 4).bfloat16(), kernel_moments(kernel)).dtype == torch.float32


def test_errors_by_hand() -> None:
    """Errors count less 1/2, small ones half of their square; the direction weighs the difference of the sigmas."""
    truth = torch.tensor([[3.0, 1.0, 1.0, 0.0], [1.5, 1.25, 1.0, 0.0], [2.0, 2.0, 0.6, 0.8], [0.0, 0.0, 0.0, 0.0]])
    estimate = torch.tensor([[5.0, 1.5, 0.0, 0.0], [1.5, 1.25, 0.0, 0.0], [2.0, 2.0, -0.6, 0.8], [0.0, 0.0, 1.0, 0.0]])
    expected = [(1.5 + 0.125 + 0.5) / 4, 0.25 * 0.5 / 4, 0.0, 0.0]
    torch.testing.assert_close(blur_loss(estimate, truth), torch.tensor(expected))


def test_the_gradient_is_that_by_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    estimate = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    truth = torch.tensor([[3.0, 1.0, 1.0, 0.0], [1.5, 1.25, 0.6, 0.8], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: blur_loss(x, truth), estimate)
