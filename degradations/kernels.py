"""Blur kernels [B,1,k,k], one for each sample, from tensors of parameters [B]; every kernel sums to 1.

The Gaussians are point samples of the density, as in Kondo & Ukita (IEEE TIM 2024, section III) and their
reference code; motion and disk kernels are anti-aliased, so that they change smoothly with their parameters.
The parameters' device and dtype are the kernels'; float64 is advised, the sums of small taps lose little.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contracts.errors import ArgumentError

MOTION_INSTANTS = 8  # positions along the path, per pixel of its greatest length
DISK_LINES = 16  # lines across each row of taps


def check_side(side: int) -> int:
    """Return ``side`` if it is an odd positive number; raise UserError otherwise."""
    if side < 1 or side % 2 == 0:
        raise ArgumentError(f"kernel side {side} has no centre tap: give an odd positive number, such as 21")
    return side


def offsets(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return X [1,1,k] (right positive) and Y [1,k,1] (down positive), integer offsets from the centre."""
    line = torch.arange(check_side(side), device=like.device, dtype=like.dtype) - side // 2
    return line.view(1, 1, -1), line.view(1, -1, 1)


def normalised(weight: Tensor) -> Tensor:
    """Divide non-negative weights [B,k,k] by their sums; return kernels [B,1,k,k]."""
    return (weight / weight.sum(dim=(1, 2), keepdim=True)).unsqueeze(1)


def anisotropic_gaussian(sigma_x: Tensor, sigma_y: Tensor, theta: Tensor, side: int = 21) -> Tensor:
    """Gaussians with standard deviations ``sigma_x`` along ``theta`` and ``sigma_y`` across it.

    ``k ~ exp(-u^2 / (2 sigma_x^2) - v^2 / (2 sigma_y^2))`` with ``u = X cos - Y sin``, ``v = X sin + Y cos``.

    Args:
        sigma_x: [B] > 0, pixels.
        sigma_y: [B] > 0, pixels.
        theta: [B], degrees.
        side: k, odd.

    Returns:
        [B,1,k,k].
    """
    x, y = offsets(side, sigma_x)
    cosine, sine = _direction(theta)
    along = (x * cosine - y * sine) / sigma_x.view(-1, 1, 1)
    across = (x * sine + y * cosine) / sigma_y.view(-1, 1, 1)
    return normalised(torch.exp(-0.5 * (along.square() + across.square())))


def isotropic_gaussian(sigma: Tensor, side: int = 21) -> Tensor:
    """Round Gaussians.

    Args:
        sigma: standard deviation, [B] > 0, pixels.
        side: k, odd.

    Returns:
        [B,1,k,k].
    """
    return anisotropic_gaussian(sigma, sigma, torch.zeros_like(sigma), side)


def longest_motion(side: int) -> float:
    """Return the longest path, in pixels, that a motion kernel of this side holds."""
    return float(side - 1)


def motion(length: Tensor, angle: Tensor, side: int = 21) -> Tensor:
    """Straight, even camera motion: a line of ``length`` through the centre, spread bilinearly.

    The exposure is the mean over evenly spaced instants.

    Args:
        length: [B], pixels, 0 (no blur) to side - 1.
        angle: [B], degrees.
        side: k, odd.

    Returns:
        [B,1,k,k].
    """
    x, _y = offsets(side, length)
    instants = torch.linspace(-0.5, 0.5, MOTION_INSTANTS * side + 1, device=length.device, dtype=length.dtype)
    cosine, sine = _direction(angle)
    position = length.view(-1, 1, 1) * instants.view(1, -1, 1)  # [B,N,1]
    in_column = (1 - (x - position * cosine).abs()).clamp(min=0)  # [B,N,k]
    in_row = (1 - (x + position * sine).abs()).clamp(min=0)
    # Not a matrix product: its rounding would depend on the size of the batch.
    return normalised((in_row.unsqueeze(3) * in_column.unsqueeze(2)).sum(dim=1))  # [B,N,k,k] summed over N


def largest_disk(side: int) -> float:
    """Return the largest radius, in pixels, that a disk kernel of this side holds."""
    return (side - 1) / 2


def disk(radius: Tensor, side: int = 21) -> Tensor:
    """Defocus of a round aperture: each tap is the share of its pixel that the disk covers.

    Coverage is exact along x and summed over 16 lines per pixel along y.

    Args:
        radius: [B], pixels, 0 (no blur) to (side - 1) / 2.
        side: k, odd.

    Returns:
        [B,1,k,k].
    """
    x, _ = offsets(side, radius)
    points = (torch.arange(DISK_LINES, device=radius.device, dtype=radius.dtype) + 0.5) / DISK_LINES - 0.5
    lines = (x.view(-1, 1) + points).view(1, -1, 1)  # [1,16k,1], the y of 16 lines across each row of taps
    reach = radius.clamp(min=0.25).view(-1, 1, 1).square() - lines.square()  # up to 0.5 fits the centre tap
    half_chord = reach.clamp(min=0).sqrt()  # [B,16k,1]
    covered = torch.minimum(half_chord, x + 0.5) - torch.maximum(-half_chord, x - 0.5)  # [B,16k,k]
    return normalised(covered.clamp(min=0).unflatten(1, (side, DISK_LINES)).sum(dim=2))


def delta(batch: int, side: int = 21, like: Tensor | None = None) -> Tensor:
    """Kernels that change nothing: 1 at the centre.

    Args:
        batch: B.
        side: k, odd.
        like: a tensor of the device and dtype to use; None: float32 on the CPU.

    Returns:
        [B,1,k,k].
    """
    like = torch.empty(0) if like is None else like
    kernel = torch.zeros(batch, 1, check_side(side), side, device=like.device, dtype=like.dtype)
    kernel[:, :, side // 2, side // 2] = 1
    return kernel


def _direction(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine [B,1,1] of angles [B] in degrees."""
    radians = torch.deg2rad(angle).view(-1, 1, 1)
    return torch.cos(radians), torch.sin(radians)
