"""Blur against SciPy and the authors' fixture; resizing against torch and its formula in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from contracts.errors import UserError
from degradations.blur import blur, blur_fft
from degradations.resize import bicubic_downsample, bicubic_upsample, round_to_8_bit


def cubic(t: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic convolution kernel."""
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def reduction_matrix(size: int, scale: int) -> np.ndarray:
    """Anti-aliased bicubic along one axis, a = -0.5, window cut and renormalised at the ends."""
    matrix = np.zeros((size // scale, size))
    for row in range(size // scale):
        centre = (row + 0.5) * scale
        first = max(0, int(centre - 2 * scale + 0.5))
        last = min(size, int(centre + 2 * scale + 0.5))
        taps = np.arange(first, last)
        weight = cubic((taps - centre + 0.5) / scale, -0.5)
        matrix[row, taps] = weight / weight.sum()
    return matrix


def enlargement_matrix(size: int, scale: int) -> np.ndarray:
    """Bicubic along one axis, a = -0.75, half-pixel centres, replicated border."""
    matrix = np.zeros((size * scale, size))
    for row in range(size * scale):
        centre = (row + 0.5) / scale - 0.5
        for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            matrix[row, min(max(tap, 0), size - 1)] += cubic(np.array(centre - tap), -0.75)
    return matrix


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.rand(3, 2, 40, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def kernel() -> torch.Tensor:
    weight = torch.rand(3, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return weight / weight.sum(dim=(2, 3), keepdim=True)


@pytest.mark.parametrize(("border", "mode"), [("reflect", "mirror"), ("zero", "constant")])
def test_blur_is_scipys_correlation(image: torch.Tensor, kernel: torch.Tensor, border: str, mode: str) -> None:
    blurred = blur(image, kernel, border)
    for sample in range(3):
        for channel in range(2):
            plane, weights = image[sample, channel].numpy(), kernel[sample, 0].numpy()
            expected = ndimage.correlate(plane, weights, mode=mode)
            np.testing.assert_allclose(blurred[sample, channel].numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("border", ["reflect", "zero"])
def test_one_kernel_serves_all_and_one_plane_works(image: torch.Tensor, kernel: torch.Tensor, border: str) -> None:
    shared = blur(image, kernel[:1], border)
    assert torch.allclose(shared[1], blur(image[1:2], kernel[:1], border)[0], atol=1e-15)
    assert torch.allclose(shared[2:, 1:], blur(image[2:, 1:], kernel[:1], border), atol=1e-15)


def test_blur_has_gradients_in_both_arguments() -> None:
    generator = torch.Generator().manual_seed(2)
    small = torch.rand(2, 2, 6, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    taps = torch.rand(2, 1, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    for border in ("reflect", "zero"):
        assert torch.autograd.gradcheck(lambda x, k, border=border: blur(x, k, border), (small, taps))


def test_blur_refuses_unknown_borders_and_tiny_images(image: torch.Tensor, kernel: torch.Tensor) -> None:
    with pytest.raises(UserError, match="reflect"):
        blur(image, kernel, "wrap")
    with pytest.raises(UserError, match="4x36 pixels is too small"):
        blur(image[:, :, :4], kernel, "reflect")
    assert blur(image[:, :, :4], kernel, "zero").shape == (3, 2, 4, 36)


def check_fixture(hr: np.ndarray, kernels: np.ndarray, blurred: np.ndarray, lr: np.ndarray) -> None:
    """Blur hr [C,H,W] by each kernel and reduce; blurred and lr may be cut at the right and below."""
    batch = torch.from_numpy(hr).double().expand(len(kernels), *hr.shape)
    ours = blur(batch, torch.from_numpy(kernels).double()[:, None], "zero")
    reduced = bicubic_downsample(ours, 4)
    rows, columns = blurred.shape[-2:]
    assert np.abs(ours[..., :rows, :columns].numpy() - blurred).max() < 1e-6  # the fixture is float32
    rows, columns = lr.shape[-2:]
    assert np.abs(reduced[..., :rows, :columns].numpy() - lr).max() < 1e-6


def test_blur_and_reduction_are_the_authors(root: Path) -> None:
    part = np.load(root / "tests/fixtures/degradation.npz")
    check_fixture(part["hr"], part["kernels"][part["kept"]], part["blurred"], part["lr"])


def test_blur_and_reduction_are_the_authors_in_full(shared: Path) -> None:
    full = np.load(shared / "parity/degradation.npz")
    check_fixture(full["hr"], full["kernels"], full["blurred"], full["lr"])


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_reduction_is_the_formula(image: torch.Tensor, scale: int) -> None:
    rows, columns = reduction_matrix(40, scale), reduction_matrix(36, scale)
    expected = np.einsum("ih,bchw,jw->bcij", rows, image.numpy(), columns)
    np.testing.assert_allclose(bicubic_downsample(image, scale).numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("antialias", [True, False])
def test_reduction_is_torchs(image: torch.Tensor, antialias: bool) -> None:
    expected = F.interpolate(image, scale_factor=0.25, mode="bicubic", antialias=antialias)
    assert torch.equal(bicubic_downsample(image, 4, antialias), expected)


def test_enlargement_is_the_formula(image: torch.Tensor) -> None:
    rows, columns = enlargement_matrix(40, 4), enlargement_matrix(36, 4)
    expected = np.einsum("ih,bchw,jw->bcij", rows, image.numpy(), columns)
    np.testing.assert_allclose(bicubic_upsample(image, 4).numpy(), expected, atol=1e-13)


def test_a_size_that_does_not_divide_says_what_to_crop_to() -> None:
    with pytest.raises(UserError, match=r"crop it to sides that 4 divides, such as 100x48"):
        bicubic_downsample(torch.zeros(1, 3, 101, 50), 4)


def test_rounding_to_8_bit() -> None:
    values = torch.tensor([-0.1, 0.0, 0.4999 / 255, 0.5001 / 255, 0.3, 1.0, 1.2])
    assert (round_to_8_bit(values) * 255).round().tolist() == [0, 0, 0, 1, 76, 255, 255]


@pytest.mark.parametrize("border", ["reflect", "zero"])
def test_blur_by_fft_equals_the_direct_one_with_its_gradients(border: str) -> None:
    rng = torch.Generator().manual_seed(3)
    image = torch.rand(2, 3, 37, 30, generator=rng, dtype=torch.float64, requires_grad=True)
    kernel = torch.rand(2, 1, 21, 21, generator=rng, dtype=torch.float64, requires_grad=True)
    direct, fast = blur(image, kernel, border), blur_fft(image, kernel, border)
    torch.testing.assert_close(fast, direct, rtol=0, atol=1e-10)
    weights = torch.rand(direct.shape, generator=rng, dtype=torch.float64)
    for ours, expected in zip(
        torch.autograd.grad((fast * weights).sum(), (image, kernel)),
        torch.autograd.grad((direct * weights).sum(), (image, kernel)),
        strict=True,
    ):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)
