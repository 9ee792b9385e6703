"""SegNet (Badrinarayanan, Kendall, Cipolla, TPAMI 2017), the segmentation part of SrcNet (Bae et al., 2021).

An encoder with the layout of VGG-16 and its mirror image as decoder, which puts each value back at the place
that the pooling took it from. Where a pooling window has several maxima (after a ReLU often four zeros),
the place is the first in row-major order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.layers import conv_bn_relu, scaled_width

WIDTHS = (64, 128, 256, 512, 512)
LAYERS = (2, 2, 3, 3, 3)


def chain(channels: list[int]) -> nn.Sequential:
    """3x3 convolution with bias, batch norm and ReLU from each of the numbers of channels to the next."""
    return nn.Sequential(*(conv_bn_relu(before, after, bias=True) for before, after in itertools.pairwise(channels)))


def unpool(x: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    """Put values back at the positions that a pooling took them from, in a map of zeros.

    Args:
        x: values [B,C,h,w].
        indices: their flat positions [B,C,h,w], as the pooling returned them.
        size: (H, W) of the result.

    Returns:
        [B,C,H,W].
    """
    batch, channels = x.shape[:2]
    flat = x.new_zeros(batch, channels, size[0] * size[1])
    return flat.scatter(2, indices.flatten(2), x.flatten(2)).reshape(batch, channels, *size)


class SegNet(Segmentation):
    """Five stages down with remembered maxima, five stages up through them; no auxiliary output.

    Args:
        width: factor on all channels (1.0: 29.4 M parameters).

    Raises:
        ArgumentError: for a width that is not positive.
    """

    multiple = 32

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        if width <= 0:
            raise ArgumentError(f"width {width} must be positive (1.0 is the paper's network)")
        widths = [scaled_width(channels, width) for channels in WIDTHS]
        before = [3, *widths[:-1]]
        self.encoder = nn.ModuleList(
            chain([channels] + [out_channels] * count)
            for channels, out_channels, count in zip(before, widths, LAYERS, strict=True)
        )
        after = [widths[0], *widths[:-1]]
        counts = (LAYERS[0] - 1, *LAYERS[1:])  # the head takes the place of the last layer
        self.decoder = nn.ModuleList(
            chain([channels] * count + [out_channels])
            for channels, out_channels, count in zip(widths, after, counts, strict=True)
        )
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 32.
            kernel: ignored.

        Returns:
            Logits [B,1,H,W].
        """
        poolings: list[tuple[Tensor, torch.Size]] = []
        features: list[Tensor] = []
        for stage in self.encoder:
            x = stage(x)
            features += self.handed_on([x]) or ()
            size = x.shape[2:]
            x, indices = F.max_pool2d(x, 2, return_indices=True)
            poolings.append((indices, size))
        for stage, (indices, size) in zip(reversed(self.decoder), reversed(poolings), strict=True):
            x = stage(unpool(x, indices, size))
        return Segmented(at_least_float32(self.head(x)), encoded=self.handed_on(features))

    def task_features(self, x: Tensor) -> list[Tensor]:
        """What each stage of the encoder leaves before it is pooled, at strides 1 to 16."""
        features: list[Tensor] = []
        for stage in self.encoder:
            features.append(stage(F.max_pool2d(features[-1], 2) if features else x))
        return features
