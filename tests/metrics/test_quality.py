"""PSNR and SSIM against scikit-image, the classical baseline on drawn cracks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics.baselines import black_hat_otsu
from metrics.image_quality import kernel_psnr, kernel_ssim, psnr, ssim


def images(size: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(size, 3, 32, 40, generator=generator)
    noise = torch.randn(target.shape, generator=generator) * torch.tensor([0.02, 0.1]).view(-1, 1, 1, 1)[:size]
    return target + noise, target


def test_psnr_and_ssim_equal_scikit_image() -> None:
    prediction, target = images()
    clipped = prediction.clamp(0, 1).double().numpy()
    exact = target.double().numpy()
    ours = psnr(prediction, target), ssim(prediction, target, border="valid")
    for i in range(2):
        assert ours[0][i] == pytest.approx(peak_signal_noise_ratio(exact[i], clipped[i], data_range=1), abs=1e-9)
        expected = structural_similarity(
            exact[i], clipped[i], data_range=1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, channel_axis=0,
        )  # fmt: skip
        assert ours[1][i] == pytest.approx(expected, abs=1e-9)


def test_ssim_zero_border_by_torch_convolution() -> None:
    prediction, target = (image.double().clamp(0, 1) for image in images())
    offsets = torch.arange(11, dtype=torch.float64) - 5
    window = torch.exp(-(offsets**2) / 4.5)
    window = torch.outer(window, window) / window.sum() ** 2

    def mean(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, window.expand(3, 1, 11, 11), padding=5, groups=3)

    a, b = mean(prediction), mean(target)
    va, vb = mean(prediction**2) - a**2, mean(target**2) - b**2
    covariance = mean(prediction * target) - a * b
    expected = (2 * a * b + 1e-4) * (2 * covariance + 9e-4) / ((a**2 + b**2 + 1e-4) * (va + vb + 9e-4))
    np.testing.assert_allclose(ssim(prediction, target), expected.mean(dim=(1, 2, 3)), atol=1e-12)


def test_quality_per_image_is_independent_of_the_batch() -> None:
    prediction, target = images()
    for measure in (psnr, ssim):
        single = [measure(prediction[i : i + 1], target[i : i + 1])[0] for i in range(2)]
        np.testing.assert_array_equal(measure(prediction, target), single)
        assert measure(prediction.numpy(), target.numpy()).tolist() == single  # arrays serve as well


def test_identical_images_and_mistakes() -> None:
    _, target = images()
    assert np.isinf(psnr(target, target)).all()
    np.testing.assert_allclose(ssim(target, target), 1.0)
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(target, target[..., 1:])
    with pytest.raises(ValueError, match="border"):
        ssim(target, target, border="mirror")
    with pytest.raises(ValueError, match="at least 11"):
        ssim(target[..., :8], target[..., :8], border="valid")


def test_kernel_quality() -> None:
    true = torch.zeros(2, 1, 21, 21)
    true[:, :, 9:12, 9:12] = 1 / 9
    estimate = true.roll(1, dims=-1)
    expected = -10 * np.log10(6 * (1 / 9) ** 2 / 441)
    np.testing.assert_allclose(kernel_psnr(estimate, true), expected, rtol=1e-6)
    assert (kernel_ssim(true, true) > 0.999999).all()
    further = kernel_ssim(true.roll(4, dims=-1), true)
    assert (further < kernel_ssim(estimate, true)).all()  # the usual constants would hide the difference


def drawn_crack() -> tuple[np.ndarray, np.ndarray]:
    """A dark zigzag of 4 px on noisy grey ground with a slow change of light."""
    rng = np.random.default_rng(0)
    mask = np.zeros((160, 200), np.uint8)
    corners = np.array([[10, 30], [60, 90], [110, 60], [190, 130]], np.int32)
    cv2.polylines(mask, [corners], False, 1, thickness=4)
    image = 140 + np.linspace(-40, 40, 200)[None, :] - 50 * mask + rng.normal(0, 12, mask.shape)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


def test_classical_baseline_finds_a_drawn_crack() -> None:
    image, mask = drawn_crack()
    prob = black_hat_otsu(image)
    assert prob.dtype == np.float32 and prob.shape == mask.shape
    assert prob.min() >= 0 and prob.max() <= 1
    predicted = prob > 0.5
    assert 2 * (predicted & (mask == 1)).sum() / (predicted.sum() + mask.sum()) > 0.7
    assert np.array_equal(prob, black_hat_otsu(image))


def test_classical_baseline_finds_nothing_without_crack() -> None:
    noise = np.random.default_rng(1).normal(128, 8, (120, 120, 3)).clip(0, 255).astype(np.uint8)
    assert not black_hat_otsu(noise).any()
    assert not black_hat_otsu(np.full((40, 40, 3), 90, np.uint8)).any()
    with pytest.raises(ValueError, match="8-bit RGB"):
        black_hat_otsu(noise / 255)
