"""DSRL's two branches: segmentation and super-resolution, with decoders of the same structure.

Kept as in the released code, whose weights fit: the probability is taken at stride 4 and then enlarged
in two steps, and all enlargements align corners.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.layers import conv_bn_relu, upsample_aligned
from models.probability import both_probabilities


class Decoder(nn.Module):
    """Context [B,C,h/16,w/16] and details [B,D,h/4,w/4] -> [B,out_channels,h/4,w/4].

    Args:
        channels: C and D.
        narrow: channels that the details are reduced to.
        wide: channels of the first 3x3 layer.
        last: channels of the second 3x3 layer.
        out_channels: channels of the output.
        dropout: rates after the two 3x3 layers.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        narrow: int,
        wide: int,
        last: int,
        out_channels: int,
        dropout: tuple[float, float],
    ) -> None:
        super().__init__()
        context, details = channels
        self.reduce = conv_bn_relu(details, narrow, side=1)
        self.layers = nn.Sequential(
            *conv_bn_relu(context + narrow, wide),
            nn.Dropout(dropout[0]),
            *conv_bn_relu(wide, last),
            nn.Dropout(dropout[1]),
            nn.Conv2d(last, out_channels, 1),
        )

    def forward(self, context: Tensor, details: Tensor) -> Tensor:
        details = self.reduce(details)
        return self.layers(torch.cat([upsample_aligned(context, details.shape[2:]), details], 1))


class SegmentationBranch(nn.Module):
    """Probabilities of crack and of no crack, and the features made from it that the affinity loss looks at.

    Args:
        channels: of context and details.
        narrow: see ``Decoder``.
        wide: channels of both 3x3 layers of the decoder.
        dropout: rates after these two.
    """

    def __init__(self, channels: tuple[int, int], narrow: int, wide: int, dropout: tuple[float, float]) -> None:
        super().__init__()
        self.decoder = Decoder(channels, narrow, wide, wide, 1, dropout)
        self.to_features = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace=True))

    def forward(self, context: Tensor, details: Tensor, size: Sequence[int]) -> Tensor:
        """Probabilities of crack and of no crack at the input's size, in float32 or better.

        Args:
            context: [B,C,h/16,w/16].
            details: [B,D,h/4,w/4].
            size: (h, w) of the input.

        Returns:
            [B,2,h,w].
        """
        return upsample_aligned(both_probabilities(self.decoder(context, details)), size)

    def features(self, probability: Tensor) -> Tensor:
        """Probability of crack [B,1,H,W] -> [B,3,H,W], not negative."""
        return self.to_features(probability.to(next(self.to_features.parameters()).dtype))


class UpStep(nn.Module):
    """x2 by a transposed convolution, then two 3x3 convolutions beside a 1x1 one."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(channels, out_channels, 2, stride=2)
        self.refine = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(out_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        upsampled = self.enlarge(x)
        return self.refine(upsampled) + self.shortcut(upsampled)


class SuperResolutionBranch(nn.Module):
    """Restored image, without a residual image.

    Args:
        channels: of context and details.
        narrow: see ``Decoder``, as ``wide`` and ``last``.
        wide: see there.
        last: see there.
        steps: channels before and after each upsampling by 2.
        dropout: rates after the decoder's 3x3 layers.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        narrow: int,
        wide: int,
        last: int,
        steps: Sequence[int],
        dropout: tuple[float, float],
    ) -> None:
        super().__init__()
        self.decoder = Decoder(channels, narrow, wide, last, steps[0], dropout)
        self.steps = nn.Sequential(*(UpStep(a, b) for a, b in itertools.pairwise(steps)))
        self.last = nn.Conv2d(steps[-1], 3, 1)

    def forward(self, context: Tensor, details: Tensor) -> Tensor:
        """RGB image, unclipped, 2 ** len(steps) times as large as ``details`` [B,D,h/4,w/4]."""
        return self.last(self.steps(self.decoder(context, details)))
