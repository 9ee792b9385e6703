"""Layers and small functions that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn_relu(channels: int, out_channels: int, side: int = 3, dilation: int = 1) -> nn.Sequential:
    """Size-keeping convolution without bias, batch norm, ReLU."""
    padding = dilation * (side // 2)
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, side, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def scaled_width(channels: int, factor: float) -> int:
    """A number of channels times a factor, rounded, at least 1."""
    return max(1, round(channels * factor))


def upsample_to(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear interpolation (half-pixel centres) to the height and width of ``like``."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Replicate the lower and right borders of [B,C,H,W] until both sides are divisible by ``multiple``.

    In an exported graph padding is kept even if the image traced needs none: another one may.
    """
    below, right = -image.shape[2] % multiple, -image.shape[3] % multiple
    if not torch.onnx.is_in_onnx_export() and not below and not right:
        return image
    return F.pad(image, (0, right, 0, below), mode="replicate")


def convolve_concatenated(layer: nn.Conv2d, maps: Sequence[Tensor]) -> Tensor:
    """``layer(torch.cat(maps, 1))`` up to rounding, for a layer of one group; maps: [B,C_i,H,W], at least one.

    A convolution is linear: each map meets its own slice of the weights, and the results are summed, without a
    concatenated copy. Dense networks look at all maps made so far; the copies made for each layer that does would be
    kept for the backward pass, and together grow with the square of the number of stages.
    """
    if len(maps) == 1:
        return layer(maps[0])
    slices = layer.weight.split([one.shape[1] for one in maps], dim=1)
    total = F.conv2d(maps[0], slices[0], layer.bias, layer.stride, layer.padding, layer.dilation)
    for one, weight in zip(maps[1:], slices[1:], strict=True):
        total += F.conv2d(one, weight, None, layer.stride, layer.padding, layer.dilation)
    return total
