"""Blur and anti-aliased downsampling in one, by FFT: ``bicubic_downsample(blur(image, kernel), scale)``, but faster.

Both are linear, so the rows are reduced on the spectrum. Away from the borders that is a correlation sampled at
every ``scale``-th row: a product and a sum of aliases, after which the inverse transform is ``scale`` times
shorter. The two rows at each end, whose window the border cuts, are read from the spectrum directly. The columns
are reduced after the inverse transform, when only 1/scale of the rows is left.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import lookup
from degradations.blur import blur_fft, check_reflects
from degradations.resize import bicubic_downsample, check_divisible

PADDING = {"reflect": "reflect", "zero": "constant"}
BLOCK_BYTES = 6 << 20  # of float32 spectra that are worked on at once on a CPU: about what its caches hold
CUT = 2  # reduced rows at each end whose window, 2 * scale to either side of its centre, reaches over the border


class RowDownsampling(NamedTuple):
    """How a spectrum of N rows becomes reduced rows. response: [N,1], a factor on it; ends: [2*CUT,N], whose product
    with it gives the CUT outermost reduced rows, at the top and then at the bottom."""

    response: Tensor
    ends: Tensor


def blur_and_downsample(image: Tensor, kernel: Tensor, scale: int, border: str = "reflect") -> Tensor:
    """Correlate each image with its kernel and reduce it, equal to the two steps up to rounding (1e-6 in float32).

    image: [B,C,H,W], sides that ``scale`` divides; kernel: [B,1,k,k] or [1,1,k,k], k odd; returns
    [B,C,H/scale,W/scale]. border: as in ``blur``. Differentiable in both; float32 or float64. Raises UserError for an
    unknown border, an image too small to reflect, or sides that ``scale`` does not divide.
    """
    height, width = image.shape[-2:]
    check_divisible(height, width, scale)
    mode = lookup(PADDING, border, "border")
    if border == "reflect":
        check_reflects(height, width, kernel.shape[-1])
    if height < (2 * CUT + 1) * scale:
        return bicubic_downsample(blur_fft(image, kernel, border), scale)
    block = _images_at_once(image)
    if block < len(image):
        kernels = kernel.expand(len(image), -1, -1, -1)
        parts = zip(image.split(block), kernels.split(block), strict=True)
        return torch.cat([_by_spectrum(*part, scale, mode) for part in parts])
    return _by_spectrum(image, kernel, scale, mode)


def _images_at_once(image: Tensor) -> int:
    """How many images of the batch [B,C,H,W] to work on together: all on a GPU, a cache full on a CPU."""
    if not image.is_cpu:
        return len(image)
    return max(1, BLOCK_BYTES // (4 * image[0].numel()))  # the spectrum of a real image takes about its own bytes


def _by_spectrum(image: Tensor, kernel: Tensor, scale: int, mode: str) -> Tensor:
    """``blur_and_downsample`` for sizes that were checked; mode: of the padding."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (kernel.shape[-1] // 2,) * 4, mode=mode)
    rows, columns = (fast_length(side, scale) for side in padded.shape[-2:])
    kernel_spectrum = _kernel_spectrum(kernel.to(image.dtype), rows, columns)
    spectrum = torch.fft.rfft2(padded, s=(rows, columns))
    if kernel_spectrum.requires_grad:
        spectrum = spectrum * kernel_spectrum
    else:
        spectrum *= kernel_spectrum
    reduced = _downsample_rows(spectrum, height, scale)
    narrow = torch.fft.irfft(reduced, n=columns)[..., :width]  # [B,C,H/s,W]
    return F.interpolate(narrow, size=(height // scale, width // scale), mode="bicubic", antialias=True)


def fast_length(least: int, multiple: int) -> int:
    """The next multiple of ``multiple`` from ``least`` on whose quotient has no prime factor above 13."""
    length = -(-least // multiple)
    while not _is_smooth(length):
        length += 1
    return length * multiple


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5, 7, 11, 13):
        while number % prime == 0:
            number //= prime
    return number == 1


def _kernel_spectrum(kernel: Tensor, rows: int, columns: int) -> Tensor:
    """conj(rfft2(kernel)) in a frame of rows x columns, by products with what counts of the transform's matrices."""
    down, across = (
        one.to(kernel.device, kernel.dtype.to_complex())
        for one in (_waves(rows, rows, kernel.shape[-1]), _waves(columns, columns // 2 + 1, kernel.shape[-1]))
    )
    return down @ (kernel.to(across.dtype) @ across.T)


@lru_cache(maxsize=16)
def _waves(length: int, frequencies: int, samples: int) -> Tensor:
    """exp(2 pi i f n / length), [frequencies,samples], complex128."""
    turns = torch.outer(torch.arange(frequencies), torch.arange(samples)) % length
    return torch.polar(torch.ones(turns.shape, dtype=torch.float64), turns.double() * (2 * torch.pi / length))


def _downsample_rows(spectrum: Tensor, height: int, scale: int) -> Tensor:
    """Spectrum [...,N,F] of an image of ``height`` rows -> its reduced rows, still transformed along the columns."""
    length = spectrum.shape[-2]
    plan = RowDownsampling(*(one.to(spectrum) for one in _row_downsampling(height, length, scale)))
    aliases = _sum_of_aliases(spectrum, plan.response, scale)  # [...,N/s,F]
    inner = torch.fft.ifft(aliases, dim=-2)[..., CUT : height // scale - CUT, :]
    top, bottom = (plan.ends @ spectrum).chunk(2, dim=-2)
    return torch.cat([top, inner, bottom], dim=-2)


def _sum_of_aliases(spectrum: Tensor, response: Tensor, scale: int) -> Tensor:
    """Sum of the ``scale`` equal parts of ``spectrum * response`` along the rows, without the whole product."""
    parts, factors = spectrum.chunk(scale, dim=-2), response.chunk(scale)
    total = parts[0] * factors[0]
    for part, factor in zip(parts[1:], factors[1:], strict=True):
        total = total.addcmul_(part, factor)
    return total


@lru_cache(maxsize=8)
def _row_downsampling(height: int, length: int, scale: int) -> RowDownsampling:
    """The plan for images of ``height`` rows in a transform of ``length``, complex128."""
    identity = torch.eye(height, dtype=torch.float64)[None, None]
    size = height // scale
    matrix = F.interpolate(identity, size=(size, height), mode="bicubic", antialias=True)[0, 0]  # [H/s,H]
    padded = F.pad(matrix, (0, length - height))
    middle = size // 2
    window = padded[middle].roll(-scale * middle)  # as it would lie around row 0
    response = torch.fft.fft(window).conj_physical()[:, None] / scale
    inverse = torch.fft.ifft(padded)  # each row times the inverse transform
    return RowDownsampling(response, torch.cat([inverse[:CUT], inverse[-CUT:]]))
