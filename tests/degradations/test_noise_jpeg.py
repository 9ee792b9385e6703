"""Noise against the statistics of its distribution (SciPy); JPEG against Pillow's encoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from skimage import data as photographs

from degradations.jpeg import jpeg
from degradations.noise import gaussian_noise, normal_field, poisson_counts, poisson_noise


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one - other) ** 2)))


def test_gaussian_noise_has_each_samples_sigma() -> None:
    image = torch.full((3, 3, 120, 120), 0.5, dtype=torch.float64)
    sigma = torch.tensor([0.0, 0.02, 0.2])
    noisy = gaussian_noise(image, sigma, generators(1, 2, 3))
    assert torch.equal(noisy[0], image[0])
    for sample in (1, 2):
        noise = ((noisy[sample] - 0.5) / sigma[sample]).flatten().numpy()
        assert stats.kstest(noise, "norm").pvalue > 0.01
    assert noisy.max() > 1  # not clipped


def test_noise_is_independent_between_samples_and_channels() -> None:
    field = normal_field(torch.zeros(2, 3, 100, 100), generators(1, 2)).flatten(2).flatten(0, 1)
    correlation = np.corrcoef(field.numpy()) - np.eye(6)
    assert np.abs(correlation).max() < 0.05


def test_noise_belongs_to_its_generator() -> None:
    image = torch.zeros(3, 3, 8, 8)
    field = normal_field(image, generators(1, 2, 1))
    assert torch.equal(field[0], field[2]) and not torch.equal(field[0], field[1])
    assert torch.equal(normal_field(image[:1], generators(2))[0], field[1])
    with pytest.raises(ValueError, match="3 images"):
        normal_field(image, generators(1))


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0, 7.9, 8.0, 30.0, 1000.0])
def test_poisson_counts_are_the_quantiles(rate: float) -> None:
    normal = np.random.default_rng(4).standard_normal(50_000)
    rates = torch.full((50_000,), rate, dtype=torch.float64)
    counts = poisson_counts(rates, torch.from_numpy(normal)).numpy()
    expected = stats.poisson.ppf(stats.norm.cdf(normal), rate) if rate else np.zeros(50_000)
    assert np.abs(counts - expected).max() <= (0 if rate < 8 else 1)
    assert np.mean(counts != expected) < 0.003


def test_poisson_noise_has_the_images_mean_and_variance() -> None:
    levels = torch.tensor([0.02, 0.3, 0.9], dtype=torch.float64).view(1, 3, 1, 1)
    peak = torch.tensor([50.0, 2000.0])
    noisy = poisson_noise(levels.expand(2, 3, 250, 250), peak, generators(5, 6))
    expected = levels[0, :, 0, 0] / peak.view(-1, 1)
    np.testing.assert_allclose(noisy.mean(dim=(2, 3)).numpy(), levels[0, :, 0, 0].expand(2, 3), rtol=0.02)
    np.testing.assert_allclose(noisy.var(dim=(2, 3)).numpy(), expected.numpy(), rtol=0.03)


def test_negative_overshoot_is_dark() -> None:
    noisy = poisson_noise(torch.full((1, 1, 8, 8), -0.05), torch.tensor([100.0]), generators(1))
    assert torch.equal(noisy, torch.zeros(1, 1, 8, 8))


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """uint8 [100,147,3], sides that neither 8 nor 16 divides."""
    return np.ascontiguousarray(photographs.astronaut()[60:160, 150:297])


@pytest.mark.parametrize("quality", [20, 40, 75, 95])
def test_jpeg_is_close_to_pillows(photograph: np.ndarray, quality: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    theirs = np.asarray(Image.open(buffer)) / 255.0
    image = torch.from_numpy(photograph).permute(2, 0, 1)[None].double() / 255
    ours = jpeg(image, torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy()
    assert ours.shape == photograph.shape
    original = photograph / 255.0
    assert psnr(ours, theirs) > 33
    assert psnr(ours, theirs) > psnr(theirs, original)
    assert psnr(ours, original) == pytest.approx(psnr(theirs, original), abs=1.0)


def test_jpeg_takes_a_quality_for_each_sample_and_stays_in_range(photograph: np.ndarray) -> None:
    image = torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255
    quality = torch.tensor([10.0, 50.0, 100.0])
    batch = jpeg(image.repeat(3, 1, 1, 1) * 1.3 - 0.1, quality)
    assert batch.min() >= 0 and batch.max() <= 1 and batch.isfinite().all()
    for sample in range(3):
        alone = jpeg(image * 1.3 - 0.1, quality[sample : sample + 1])
        assert torch.equal(alone[0], batch[sample])
    assert quality.tolist() == [10.0, 50.0, 100.0]


def test_jpeg_of_one_colour_is_exact_at_the_cut_edges() -> None:
    flat = torch.full((1, 3, 9, 13), 200 / 255)
    assert (jpeg(flat, torch.tensor([50.0])) - flat).abs().max() < 0.01
