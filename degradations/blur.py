"""Blur a batch, each image with its own kernel, in one call."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import contracts.basicsr_shim  # noqa: F401
from contracts.errors import ArgumentError, lookup

# isort: split
from basicsr.utils.img_process_util import filter2D

PADDING = {"reflect": "reflect", "zero": "constant"}  # of each border, as torch calls it


def blur(image: Tensor, kernel: Tensor, border: str = "reflect") -> Tensor:
    """Cross-correlate (no flip) every channel of each image with that image's kernel.

    Differentiable in both arguments.

    Args:
        image: [B,C,H,W].
        kernel: [B,1,k,k], or [1,1,k,k] for one kernel for all, k odd.
        border: "reflect" (mirror without repeating the edge; basicsr's ``filter2D``), or "zero" (darkens a rim of
            k // 2 pixels; the reference code of Kondo & Ukita, 2024).

    Returns:
        [B,C,H,W].

    Raises:
        ArgumentError: for an unknown border or an image too small to reflect.
    """
    correlate = lookup(BORDERS, border, "border")
    batch, channels, height, width = image.shape
    # One plane per channel: filter2D then always takes its grouped path, so that an image's result does not
    # depend on its batch (a batch of one would take another path, four times slower on CPUs).
    planes = image.reshape(batch * channels, 1, height, width)
    side = kernel.shape[-1]
    kernels = kernel.to(image.dtype).expand(batch, channels, side, side).reshape(batch * channels, side, side)
    return correlate(planes, kernels).view(batch, channels, height, width)


def blur_fft(image: Tensor, kernel: Tensor, border: str = "reflect") -> Tensor:
    """The same correlation as ``blur`` by FFT, equal up to rounding (about 1e-6 in float32).

    For losses: on a CPU its backward pass is several times faster than that of a grouped convolution.

    Args:
        image: [B,C,H,W], float32 or float64.
        kernel: [B,1,k,k], or [1,1,k,k] for one kernel for all, k odd.
        border: as of ``blur``.

    Returns:
        [B,C,H,W].

    Raises:
        ArgumentError: for an unknown border.
    """
    margin = kernel.shape[-1] // 2
    padded = F.pad(image, (margin,) * 4, mode=lookup(PADDING, border, "border")).contiguous()
    sides = padded.shape[-2:]
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel.to(image.dtype), s=sides).conj()
    height, width = image.shape[-2:]
    return torch.fft.irfft2(spectrum, s=sides)[..., :height, :width]


def check_reflects(height: int, width: int, side: int) -> None:
    """Check that an image can be reflected by half a kernel's side.

    Args:
        height: of the image, pixels.
        width: likewise.
        side: of the kernel, pixels.

    Raises:
        ArgumentError: for an image that is too small.
    """
    margin = side // 2
    if min(height, width) <= margin:
        raise ArgumentError(
            f"an image of {height}x{width} pixels is too small for a kernel of side {side}: "
            f"give sides of at least {margin + 1}, a smaller kernel, or border 'zero'"
        )


def _correlate_reflected(planes: Tensor, kernels: Tensor) -> Tensor:
    """Correlate planes [N,1,H,W] with kernels [N,k,k] under a reflected border."""
    height, width = planes.shape[-2:]
    check_reflects(height, width, kernels.shape[-1])
    return filter2D(planes, kernels)


def _correlate_zero(planes: Tensor, kernels: Tensor) -> Tensor:
    """Correlate planes [N,1,H,W] with kernels [N,k,k]; outside the image is 0."""
    margin = kernels.shape[-1] // 2
    grouped = F.conv2d(planes.transpose(0, 1), kernels.unsqueeze(1), padding=margin, groups=len(planes))
    return grouped.transpose(0, 1)


BORDERS = {"reflect": _correlate_reflected, "zero": _correlate_zero}
