"""Blur and anti-aliased downsampling in one, by FFT: ``bicubic_downsample(blur(image, kernel), scale)``, but faster.

Both are linear, so the rows are downsampled on the spectrum. Away from the borders that is a correlation sampled at
every ``scale``-th row: a product and a sum of aliases, after which the inverse transform is ``scale`` times
shorter. The two rows at each end, whose window the border cuts, are read from the spectrum directly. The columns
are downsampled after the inverse transform, when only 1/scale of the rows is left.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import lookup
from degradations.blur import PADDING, blur_fft, check_reflects
from degradations.resize import bicubic_downsample, check_divisible

BLOCK_BYTES = 6 << 20  # of float32 spectra that are worked on at once on a CPU: about what its caches hold
CUT = 2  # downsampled rows at each end whose window, 2 * scale to either side of its centre, reaches over the border


class RowDownsampling(NamedTuple):
    """How a spectrum of N rows becomes downsampled rows.

    Attributes:
        response: [N,1], a factor on the spectrum.
        ends: [2*CUT,N], whose product with the spectrum gives the CUT outermost downsampled rows, at the top and then
            at the bottom.
    """

    response: Tensor
    ends: Tensor


def blur_and_downsample(image: Tensor, kernel: Tensor, scale: int, border: str = "reflect") -> Tensor:
    """Correlate each image with its kernel and downsample it.

    Equal to the two steps up to rounding (1e-6 in float32). Differentiable in image and kernel; float32 or float64.

    Args:
        image: [B,C,H,W], sides that ``scale`` divides.
        kernel: [B,1,k,k] or [1,1,k,k], k odd.
        scale: integer.
        border: as in ``blur``.

    Returns:
        [B,C,H/scale,W/scale].

    Raises:
        UserError: for an unknown border, an image too small to reflect, or sides that ``scale`` does not divide.
    """
    height, width = image.shape[-2:]
    check_divisible(height, width, scale)
    mode = lookup(PADDING, border, "border")
    if border == "reflect":
        check_reflects(height, width, kernel.shape[-1])
    if height < (2 * CUT + 1) * scale:
        return bicubic_downsample(blur_fft(image, kernel, border), scale)
    # On a GPU all images at once, on a CPU a cache full of them; a real image's spectrum takes about its own bytes.
    block = max(1, BLOCK_BYTES // (4 * image[0].numel())) if image.is_cpu else len(image)
    if block < len(image):
        expanded = kernel.expand(len(image), -1, -1, -1)
        blocks = zip(image.split(block), expanded.split(block), strict=True)
        return torch.cat([_by_spectrum(images, kernels, scale, mode) for images, kernels in blocks])
    return _by_spectrum(image, kernel, scale, mode)


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
    rows_downsampled = _downsample_rows(spectrum, height, scale)
    low = torch.fft.irfft(rows_downsampled, n=columns)[..., :width]  # [B,C,H/s,W]
    return F.interpolate(low, size=(height // scale, width // scale), mode="bicubic", antialias=True)


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
    side, dtype = kernel.shape[-1], kernel.dtype.to_complex()
    down = _waves(rows, rows, side).to(kernel.device, dtype)
    across = _waves(columns, columns // 2 + 1, side).to(kernel.device, dtype)
    return down @ (kernel.to(dtype) @ across.T)


@lru_cache(maxsize=16)
def _waves(length: int, frequencies: int, samples: int) -> Tensor:
    """exp(2 pi i f n / length), [frequencies,samples], complex128."""
    turns = torch.outer(torch.arange(frequencies), torch.arange(samples)) % length
    return torch.polar(torch.ones(turns.shape, dtype=torch.float64), turns.double() * (2 * torch.pi / length))


def _downsample_rows(spectrum: Tensor, height: int, scale: int) -> Tensor:
    """Spectrum [...,N,F] of an image of ``height`` rows -> downsampled rows, still transformed along the columns."""
    length = spectrum.shape[-2]
    plan = RowDownsampling(*(tensor.to(spectrum) for tensor in _row_downsampling(height, length, scale)))
    aliases = _sum_of_aliases(spectrum, plan.response, scale)  # [...,N/s,F]
    inner = torch.fft.ifft(aliases, dim=-2)[..., CUT : height // scale - CUT, :]
    top, bottom = (plan.ends @ spectrum).chunk(2, dim=-2)
    return torch.cat([top, inner, bottom], dim=-2)


def _sum_of_aliases(spectrum: Tensor, response: Tensor, scale: int) -> Tensor:
    """Sum of the ``scale`` equal chunks of ``spectrum * response`` along the rows, without the whole product."""
    chunks, factors = spectrum.chunk(scale, dim=-2), response.chunk(scale)
    total = chunks[0] * factors[0]
    for chunk, factor in zip(chunks[1:], factors[1:], strict=True):
        total = total.addcmul_(chunk, factor)
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
