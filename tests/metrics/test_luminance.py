"""PSNR and SSIM of the luminance against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics.luminance import luminance, quality_on_y


def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (3, 40, 52)) / 255
    return target + rng.normal(0, 0.05, target.shape), target


def test_luminance_is_that_of_scikit_image() -> None:
    _, target = pair()
    expected = rgb2ycbcr(np.moveaxis(target, 0, -1))[..., 0]
    np.testing.assert_allclose(255 * luminance(target), expected, atol=1e-9)
    assert 255 * luminance(np.zeros((3, 1, 1)))[0, 0] == pytest.approx(16)
    assert 255 * luminance(np.ones((3, 1, 1)))[0, 0] == pytest.approx(235)


@pytest.mark.parametrize("border", [0, 4])
def test_against_scikit_image(border: int) -> None:
    prediction, target = pair()
    rounded = np.round(prediction.clip(0, 1) * 255) / 255
    inside = slice(border, 40 - border), slice(border, 52 - border)
    planes = [rgb2ycbcr(np.moveaxis(one, 0, -1))[..., 0][inside] for one in (rounded, target)]
    found = quality_on_y(prediction, target, border)
    assert found is not None
    assert found[0] == pytest.approx(peak_signal_noise_ratio(planes[1], planes[0], data_range=255), abs=1e-9)
    expected = structural_similarity(
        *planes, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert found[1] == pytest.approx(expected, abs=1e-9)


def test_the_border_does_not_count() -> None:
    _, target = pair()
    spoilt = target.copy()
    spoilt[:, :4] = 0
    assert quality_on_y(spoilt, target, 4) == (np.inf, pytest.approx(1.0))
    assert quality_on_y(target[:, :18], target[:, :18], 4) is None  # 10 rows are left
    with pytest.raises(ValueError, match="differ in shape"):
        quality_on_y(target, target[:, :-1], 4)
