"""Feature modulation by the blur kernel: the spatial feature transform (Wang et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.sr.border import constant_map, spread

leaky_relu = partial(nn.LeakyReLU, 0.1, inplace=True)


class KernelBranch(nn.Module):
    """Two 3x3 convolutions of features beside the kernel as a constant map, ``activation`` between.

    The first convolution is split by input channel: a real one on the features, and a 3x3 table for
    the constant kernel channels, which is exact and needs no [B, k*k, h, w] map.

    Args:
        channels: of the features and of the result.
        taps: of the kernel, k*k.
        hidden: channels between the convolutions.
        activation: layer between them.
    """

    def __init__(self, channels: int, taps: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.channels, self.activation = channels, activation
        self.first = nn.Conv2d(channels + taps, hidden, 3, padding=1)
        self.second = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, features: Tensor, kernel: Tensor) -> Tensor:
        feature_weight, kernel_weight = self.first.weight.split(
            [self.channels, self.first.in_channels - self.channels], dim=1
        )
        table = F.conv2d(constant_map(kernel, 3), kernel_weight, self.first.bias, padding=1)  # [B,hidden,3,3]
        hidden = F.conv2d(features, feature_weight, padding=1)
        hidden = hidden + spread(table, *features.shape[2:])
        return self.second(self.activation(hidden))


class KernelModulation(nn.Module):
    """features * sigmoid(scale) + shift, both from the features [B,channels,h,w], h, w >= 2, and the kernel [B,taps].

    Args:
        channels: of the features and of the result.
        taps: of the kernel, k*k.
        hidden: width between the two convolutions; None: the paper's, ``channels + taps``.
        activation: makes the layer between them, by default LeakyReLU with slope 0.1.
    """

    def __init__(
        self, channels: int, taps: int, hidden: int | None = None, activation: Callable[[], nn.Module] = leaky_relu
    ) -> None:
        super().__init__()
        hidden = channels + taps if hidden is None else hidden
        self.scale = KernelBranch(channels, taps, hidden, activation())
        self.shift = KernelBranch(channels, taps, hidden, activation())

    def forward(self, features: Tensor, kernel: Tensor) -> Tensor:
        kernel = kernel.to(features.dtype)
        return features * torch.sigmoid(self.scale(features, kernel)) + self.shift(features, kernel)
