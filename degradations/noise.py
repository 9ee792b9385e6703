"""Sensor noise for a batch, each sample from its own generator, the same on every device.

The random fields are standard normals drawn on the CPU from one ``torch.Generator`` per sample and then
moved; all arithmetic happens on the image's device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

FEW_PHOTONS = 8.0  # below, counts come from the exact distribution; above, from an expansion
MOST_OF_FEW = 32  # P(count > 32) < 1e-9 for an expectation of 8


def normal_field(image: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Return standard normals shaped like ``image`` [B,C,H,W], sample i from the CPU's ``generators[i]``."""
    if len(generators) != len(image):
        raise ValueError(f"{len(image)} images need as many generators, received {len(generators)}")
    fields = [torch.randn(image.shape[1:], generator=generator) for generator in generators]
    return torch.stack(fields).to(device=image.device, dtype=image.dtype)


def gaussian_noise(image: Tensor, sigma: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Add white Gaussian noise (read-out noise), independent in each channel; not clipped.

    Args:
        image: [B,C,H,W].
        sigma: [B], standard deviation in units of the image's range [0, 1].
        generators: one of the CPU for each sample.
    """
    return image + _per_sample(sigma, image) * normal_field(image, generators)


def poisson_noise(image: Tensor, peak: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Replace intensities by photon counts (shot noise), independent in each channel.

    Mean: the image; variance: image / peak. Not clipped above.

    Args:
        image: [B,C,H,W]; values below 0 count as dark.
        peak: [B], expected photons of a pixel of value 1.
        generators: one of the CPU for each sample.
    """
    peaks = _per_sample(peak, image)
    return poisson_counts(image.clamp(min=0) * peaks, normal_field(image, generators)) / peaks


def poisson_counts(rate: Tensor, normal: Tensor) -> Tensor:
    """Return Poisson counts as quantiles at ``Phi(normal)``.

    A quantile moves smoothly with the rate, so rounding differences between devices do not change the whole
    stream, as rejection sampling would. Rates below 8 are exact; above, the third-order Cornish-Fisher
    expansion (variance less the 1/12 that rounding adds back), rounded, is off by one in 2 of 1000 at most.

    Args:
        rate: expectations, at least 0, any shape.
        normal: standard normals of the same shape.
    """
    variance = rate.clamp(min=FEW_PHOTONS) - 1 / 12
    deviation = variance.sqrt()
    skewness = (variance + 1 / 12) / (variance * deviation)
    bend = (normal.square() - 1) * skewness / 6 + (normal - normal**3) * skewness.square() / 72
    many = (rate + deviation * (normal + bend)).round().clamp(min=0)
    return torch.where(rate < FEW_PHOTONS, _few_counts(rate.clamp(max=FEW_PHOTONS), normal), many)


def _few_counts(rate: Tensor, normal: Tensor) -> Tensor:
    """Return exact Poisson quantiles for rates up to 8: the number of cumulative sums below Phi(normal)."""
    level = 0.5 * torch.erfc(-normal / math.sqrt(2))
    term = torch.exp(-rate)
    cumulated, count = term.clone(), torch.zeros_like(rate)
    for photons in range(1, MOST_OF_FEW + 1):
        count += level > cumulated
        term = term * rate / photons
        cumulated += term
    return count


def _per_sample(value: Tensor, image: Tensor) -> Tensor:
    """Shape one value per sample [B] to [B,1,1,1] on the image's device, in its dtype."""
    return value.to(device=image.device, dtype=image.dtype).view(-1, 1, 1, 1)
