"""Bicubic enlargement as the trivial super-resolution network."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from contracts.errors import ArgumentError
from contracts.records import Restored
from models.base import SuperResolution


def bicubic_enlargement(image: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement: Keys kernel a = -0.75, half-pixel centres, borders replicated.

    Args:
        image: [B,C,h,w].
        scale: factor.

    Returns:
        [B,C,scale*h,scale*w].
    """
    return F.interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)


def check_sides(lr: Tensor) -> None:
    """Raise ArgumentError unless ``lr`` is [B,3,h,w] with h, w >= 2."""
    if lr.ndim != 4 or lr.shape[1] != 3 or min(lr.shape[2:]) < 2:
        raise ArgumentError(f"low-resolution input has shape {list(lr.shape)}; expected [B,3,h,w] with h, w >= 2")


class Bicubic(SuperResolution):
    """Enlarges and estimates nothing: no parameters, no kernel, no features. The result is not clipped."""

    def __init__(self, scale: int = 4) -> None:
        super().__init__()
        if scale < 1:
            raise ArgumentError(f"scale {scale} must be at least 1")
        self.scale = scale

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Enlarge a low-resolution image.

        Args:
            lr: [B,3,h,w].
            kernel: ignored.

        Returns:
            sr [B,3,scale*h,scale*w].
        """
        check_sides(lr)
        return Restored(bicubic_enlargement(lr, self.scale))
