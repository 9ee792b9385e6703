"""A feature pyramid that looks at half of the size and answers at the whole, and at several scales outside training.

Halved, a photograph costs a quarter, and the encoder sees cracks as it saw ImageNet's objects: few pixels wide, in more
context. What is lost in detail is learnt back by pixel shuffle (Shi et al., CVPR 2016), as in a network that restores.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.encoders.timm_encoders import build_encoder
from models.layers import conv_bn_relu, mirror_to_multiple, upsample_to
from models.seg.fpn import LEVELS

FACTOR = 2  # between what the network looks at and what it answers
GRID = 32  # of the encoder's coarsest level


class HalfPyramid(Segmentation):
    """Encoder features summed from coarse to fine with a convolution at each level, then two shuffles by 2.

    Args:
        encoder: see ``models.encoders.timm_encoders``.
        width: channels of the pyramid.
        pretrained: "none", "imagenet" or a weight file.
        detail: channels at the size looked at, where two convolutions see the image itself.
        dropout: rate of the spatial dropout on the pyramid, in training.
        views: scales that a photograph is looked at outside training, of 0.5, 1 and 2: at 1 the network sees half of
            the size, as in training, at 0.5 a quarter, at 2 all of it. The logits of all views are averaged.

    Raises:
        ArgumentError: for other views, and for a width or detail below 1.
    """

    multiple = 4  # of the sides, so that the smallest view has whole pixels
    stride = 128  # of its encoder in that view

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        width: int = 64,
        pretrained: str = "none",
        detail: int = 16,
        dropout: float = 0.0,
        views: Sequence[float] = (0.5, 1.0),
    ) -> None:
        super().__init__()
        if width < 1 or detail < 1:
            raise ArgumentError(f"width {width} and detail {detail} must be at least 1")
        if not views or not set(views) <= {0.5, 1, 2}:
            raise ArgumentError(f"views {list(views)}: give one or more of 0.5, 1 and 2")
        self.views = tuple(views)
        self.encoder = build_encoder(encoder, LEVELS, dilated=False, pretrained=pretrained)
        channels = self.encoder.feature_info.channels()
        self.lateral = nn.ModuleList(nn.Conv2d(level_channels, width, 1) for level_channels in channels)
        self.smooth = nn.ModuleList(conv_bn_relu(width, width) for _ in channels)
        self.dropout = nn.Dropout2d(dropout)
        self.reduce = nn.Conv2d(width, FACTOR**2 * detail, 1)
        self.look_closely = nn.Sequential(conv_bn_relu(3, detail), conv_bn_relu(detail, detail))
        self.join = conv_bn_relu(2 * detail, 2 * detail)
        self.head = nn.Conv2d(2 * detail, FACTOR**2, 3, padding=1)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 4.
            kernel: ignored.

        Returns:
            Logits [B,1,H,W].
        """
        if self.training:
            logits, encoded = self._looked_at(F.avg_pool2d(x, FACTOR))
            return Segmented(logits, encoded=encoded)
        return Segmented(torch.stack([self.view(x, scale) for scale in self.views]).mean(0))

    def view(self, x: Tensor, scale: float) -> Tensor:
        """Logits [B,1,H,W] of ``x`` looked at in one of the views."""
        if scale == FACTOR:
            return F.avg_pool2d(self.fine(x), FACTOR)
        logits = self.fine(F.avg_pool2d(x, round(FACTOR / scale)))
        return logits if scale == 1 else upsample_to(logits, x)

    def fine(self, x: Tensor) -> Tensor:
        """Logits [B,1,2h,2w], in float32 or better, of an image [B,3,h,w] of any size."""
        return self._looked_at(x)[0]

    def task_features(self, x: Tensor) -> list[Tensor]:
        """The encoder's maps of the view at scale 1, which training looks at."""
        return list(self.encoder(mirror_to_multiple(F.avg_pool2d(x, FACTOR), GRID)))

    def _looked_at(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """``fine`` of an image, and what is handed on."""
        height, width = x.shape[2:]
        x = mirror_to_multiple(x, GRID)
        summed, encoded = self._summed(x)
        reduced = self.reduce(self.dropout(summed))  # [B,4*detail,h/2,w/2]
        reduced = F.relu(F.pixel_shuffle(reduced, FACTOR))
        joined = self.join(torch.cat([reduced, self.look_closely(x)], 1))
        logits = F.pixel_shuffle(at_least_float32(self.head(joined)), FACTOR)
        return logits[:, :, : FACTOR * height, : FACTOR * width], encoded

    def _summed(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """The pyramid's sum and what is handed on; other features are freed before the head runs."""
        features = self.encoder(x)
        return self.pyramid(features), self.handed_on(features)

    def pyramid(self, features: list[Tensor]) -> Tensor:
        """Sum the projected features from coarse to fine, with a convolution at each level; [B,width,h/2,w/2]."""
        return smoothed_sum(
            [project(feature) for project, feature in zip(self.lateral, features, strict=True)], self.smooth
        )


def smoothed_sum(levels: Sequence[Tensor], smooth: nn.ModuleList) -> Tensor:
    """Levels summed from coarse to fine, a layer after each sum.

    Args:
        levels: [B,C,H_i,W_i], finest first.
        smooth: a layer for each of them.

    Returns:
        The sum at the finest level's size.
    """
    total = smooth[-1](levels[-1])
    for layer, level in zip(smooth[-2::-1], levels[-2::-1], strict=True):
        total = layer(level + upsample_to(total, level))
    return total
