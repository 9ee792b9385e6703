"""Small parts that several networks share.

Convolutions of maps that lie in several tensors are made without a concatenated copy of them. Dense networks look at
all maps made so far. Concatenated for each layer that does, the copies would be kept for the backward pass, and
together grow with the square of the number of stages.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` in float32 if it is in half precision, unchanged otherwise."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def convolve_parts(layer: nn.Conv2d, parts: Sequence[Tensor]) -> Tensor:
    """``layer(torch.cat(parts, 1))`` up to rounding, for a layer of one group; parts: [B,C_i,H,W], at least one.

    A convolution is linear: each part meets its own slice of the weights, and the results are summed.
    """
    if len(parts) == 1:
        return layer(parts[0])
    slices = layer.weight.split([part.shape[1] for part in parts], dim=1)
    geometry = (layer.stride, layer.padding, layer.dilation)
    total = F.conv2d(parts[0], slices[0], layer.bias, *geometry)
    for part, weight in zip(parts[1:], slices[1:], strict=True):
        total += F.conv2d(part, weight, None, *geometry)
    return total
