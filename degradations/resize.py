"""Bicubic downsampling and upsampling by an integer factor, and rounding to 8 bit.

The two are different kernels: the anti-aliased downsampling is Keys' cubic with a = -0.5, stretched by the
factor; the upsampling has a = -0.75 and no stretching (Keys, IEEE TASSP 1981).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from contracts.errors import ArgumentError


def check_divisible(height: int, width: int, scale: int) -> None:
    """Check that an image can be downsampled by a whole factor.

    Args:
        height: of the image, pixels.
        width: likewise.
        scale: that has to divide both.

    Raises:
        ArgumentError: for other sides, with the size to crop to.
    """
    if height % scale or width % scale or height < scale or width < scale:
        raise ArgumentError(
            f"an image of {height}x{width} pixels cannot be reduced by {scale}: crop it to sides that "
            f"{scale} divides, such as {max(height // scale, 1) * scale}x{max(width // scale, 1) * scale}"
        )


def bicubic_downsample(image: Tensor, scale: int, antialias: bool = True) -> Tensor:
    """Downsample by an integer factor (half-pixel centres), values unclipped.

    Args:
        image: [B,C,H,W].
        scale: factor that divides both sides.
        antialias: True: the cubic (a = -0.5) spans 4 * scale samples; at the borders the window is cut and
            renormalised (torchvision >= 0.17's default). False: 4 samples only (a = -0.75), as older versions did; it
            aliases.

    Returns:
        [B,C,H/scale,W/scale].

    Raises:
        ArgumentError: unless ``scale`` divides both sides.
    """
    height, width = image.shape[-2:]
    check_divisible(height, width, scale)
    size = (height // scale, width // scale)
    return F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=antialias)


def bicubic_upsample(image: Tensor, scale: int) -> Tensor:
    """Upsample by an integer factor: a = -0.75, half-pixel centres, replicated border.

    Args:
        image: [B,C,h,w].
        scale: factor.

    Returns:
        [B,C,h*scale,w*scale], unclipped.
    """
    size = (image.shape[-2] * scale, image.shape[-1] * scale)
    return F.interpolate(image, size=size, mode="bicubic", align_corners=False)


def round_to_8_bit(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to multiples of 1/255: what an 8-bit file would hold."""
    return image.clamp(0, 1).mul(255).round().div(255)
