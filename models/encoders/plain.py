"""A small residual encoder that learns fast from nothing: for CPUs and short runs without ImageNet weights.

Plain 3x3 convolutions instead of the separable ones of EfficientNet-Lite, which need long training or
ImageNet weights before their deep levels say anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from models.base import Encoder

WIDTHS = (16, 32, 64, 96, 128)  # channels of each level
BLOCKS = (1, 1, 2, 2, 2)  # residual blocks of each level


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around an identity (He et al., CVPR 2016); size is kept."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        convolution = partial(nn.Conv2d, channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.first = convolution()
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = convolution()
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        inside = F.relu(self.first_norm(self.first(x)), inplace=True)
        return F.relu(x + self.second_norm(self.second(inside)), inplace=True)


class FeatureInfo:
    """The channels of the returned feature maps, asked for as of a timm network."""

    def __init__(self, channels: Sequence[int]) -> None:
        self._channels = list(channels)

    def channels(self) -> list[int]:
        return list(self._channels)


class PlainEncoder(Encoder):
    """Feature maps at strides 2, 4, 8, 16, 32; each level halves the size, then runs its residual blocks.

    Args:
        levels: which of the five maps (0..4) to return.
        dilated: the last two stay at stride 8, with dilations 2 and 4.
    """

    def __init__(self, levels: tuple[int, ...], dilated: bool = False) -> None:
        super().__init__()
        self.levels = levels
        self.feature_info = FeatureInfo([WIDTHS[level] for level in levels])
        inputs = (3, *WIDTHS[:-1])
        dilations = (1, 1, 1, 2, 4) if dilated else (1, 1, 1, 1, 1)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, width, 3, stride=2 if dilation == 1 else 1, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                *(ResidualBlock(width, dilation) for _ in range(count)),
            )
            for before, width, count, dilation in zip(inputs, WIDTHS, BLOCKS, dilations, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """x: [B,3,H,W] with sides divisible by 32; returns the maps of ``levels``, finest first."""
        maps = []
        for level, stage in enumerate(self.stages):
            x = stage(x)
            if level in self.levels:
                maps.append(x)
        return maps
