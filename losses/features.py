"""Distances between two images as an encoder sees them: lists of its feature maps, finest first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contracts.precision import at_least_float32

EPSILON = 1e-6  # added to a map's mean square, so that one without any response divides nothing by zero


def perceptual_distance(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of each map, averaged over the maps.

    The task-driven perceptual loss of Kim, Oh and Lee, "Beyond Image Super-Resolution for Image Recognition with
    Task-Driven Perceptual Loss", CVPR 2024, who compare the deepest map alone.

    Args:
        features: maps [B,C_i,h_i,w_i] of the restored image.
        target: those of the true one.

    Returns:
        A scalar, in float32 or better.

    Raises:
        ValueError: for maps of other numbers or shapes.
    """
    pairs = _pairs(features, target)
    return torch.stack([(first - second).abs().mean() for first, second in pairs]).mean()


def relative_distance(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Energy of the difference over that of the target, of each sample and map, averaged over both.

    ``mean((f - t)^2) / (mean(t^2) + 1e-6)``: 0 for equal maps, about 1 where nothing of the target is there, and the
    same for maps of any scale, so that each level of an encoder counts alike.

    Args:
        features: maps [B,C_i,h_i,w_i] of who learns.
        target: those of the teacher.

    Returns:
        A scalar, in float32 or better.

    Raises:
        ValueError: for maps of other numbers or shapes.
    """
    ratios = [
        (first - second).square().mean((1, 2, 3)) / (second.square().mean((1, 2, 3)) + EPSILON)
        for first, second in _pairs(features, target)
    ]
    return torch.stack(ratios).mean()


def _pairs(features: Sequence[Tensor], target: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The maps side by side, widened. Raises ValueError for other shapes, which would be broadcast in silence."""
    shapes = [[tuple(feature.shape) for feature in maps] for maps in (features, target)]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise ValueError(f"feature maps to compare must have the same shapes; received {shapes[0]} and {shapes[1]}")
    return [(at_least_float32(first), at_least_float32(second)) for first, second in zip(features, target, strict=True)]
