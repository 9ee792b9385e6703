"""Exact shortcuts for zero-padded 3x3 convolutions of constant maps and for their spatial means.

A blur kernel enters the network as a map that is constant over the image. After zero-padded 3x3
convolutions such a map depends only on the distance to the border, so it can be computed on a few
pixels and spread out. The border effect is real: one vector for all pixels would be wrong.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.precision import at_least_float32


def constant_map(vector: Tensor, side: int) -> Tensor:
    """A map that is constant over the image.

    Args:
        vector: [B,C], the values at every pixel.
        side: of the map, pixels.

    Returns:
        [B,C,side,side], a view.
    """
    return vector[:, :, None, None].expand(-1, -1, side, side)


def _spread_axis(table: Tensor, length: int, axis: int) -> Tensor:
    """Repeat the middle entry of ``table`` along ``axis`` until that axis has ``length`` entries."""
    border = table.shape[axis] // 2
    first, middle, last = torch.split(table, [border, 1, border], dim=axis)
    shape = list(table.shape)
    shape[axis] = length - 2 * border
    return torch.cat([first, middle.expand(shape), last], dim=axis)


def spread(table: Tensor, height: int, width: int) -> Tensor:
    """Spread a border table to a map of image size.

    The n outermost rows and columns of the table become those of the image; its middle fills the rest.
    That equals n chained zero-padded 3x3 convolutions (with activations) of a constant map.

    Args:
        table: [B,C,2n+1,2n+1].
        height: of the map, at least 2n.
        width: of the map, at least 2n.

    Returns:
        [B,C,height,width].
    """
    return _spread_axis(_spread_axis(table, height, 2), width, 3)


def mean_of_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Spatial mean of the zero-padded, bias-free 3x3 convolution of ``x`` with ``weight``, without it.

    Each tap sees the sum of ``x`` over all pixels, less the border row or column that it never reaches. Sums are kept
    in at least float32.

    Args:
        x: [B,C,H,W].
        weight: [O,C,3,3].

    Returns:
        [B,O].
    """
    with torch.autocast(x.device.type, enabled=False):
        x, weight = at_least_float32(x), at_least_float32(weight)
        reach = _window_sums(_window_sums(x, 3), 2)  # [B,C,3,3]
        return F.linear(reach.flatten(1), weight.flatten(1)) / (x.shape[2] * x.shape[3])


def _window_sums(x: Tensor, axis: int) -> Tensor:
    """Sum ``x`` along ``axis`` as seen by the three taps of a zero-padded convolution: length 3."""
    total = x.sum(axis, keepdim=True)
    last, first = x.narrow(axis, x.shape[axis] - 1, 1), x.narrow(axis, 0, 1)
    return torch.cat([total - last, total, total - first], dim=axis)
