"""A compact feature pyramid for CPUs (after Lin et al., CVPR 2017) that keeps thin cracks visible.

Unlike PSPNet it works on features of stride 2 and, on request, on the image itself at full size.
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
from models.layers import conv_bn_relu, upsample_to

LEVELS = (0, 1, 2, 3, 4)


class FPN(Segmentation):
    """Encoder features at strides 2 to 32, summed from coarse to fine at ``width`` channels, then a head.

    Args:
        encoder: see ``models.encoders.timm_encoders``.
        width: channels of the pyramid.
        pretrained: "none", "imagenet" or a weight file.
        full_resolution: two 3x3 convolutions look at the full-size image and join the pyramid before the last 3x3
            convolution; finer outlines for some more time.
        detail: channels of these convolutions.
        dropout: rate of the spatial dropout on the pyramid's sum, in training.
    """

    multiple = 32

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        width: int = 48,
        pretrained: str = "none",
        full_resolution: bool = False,
        detail: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width < 1 or detail < 1:
            raise ArgumentError(f"width {width} and detail {detail} must be at least 1")
        self.encoder = build_encoder(encoder, LEVELS, dilated=False, pretrained=pretrained)
        channels = self.encoder.feature_info.channels()
        self.lateral = nn.ModuleList(nn.Conv2d(level_channels, width, 1) for level_channels in channels)
        self.smooth = conv_bn_relu(width, width)
        self.dropout = nn.Dropout2d(dropout)
        self.reduce = nn.Conv2d(width, detail if full_resolution else 1, 1)
        self.look_closely = self.head = None
        self.injected = (detail if full_resolution else 0, (channels[0], channels[1]))
        if full_resolution:
            self.look_closely = nn.Sequential(conv_bn_relu(3, detail), conv_bn_relu(detail, detail))
            self.head = nn.Conv2d(2 * detail, 1, 3, padding=1)

    def forward(
        self, x: Tensor, kernel: Tensor | None = None, added: tuple[Tensor | None, Tensor, Tensor] | None = None
    ) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 32.
            kernel: ignored.
            added: see ``injected``, or None.

        Returns:
            Logits [B,1,H,W].
        """
        full, *finest = added or (None,)
        summed, encoded = self._summed(x, finest)
        return Segmented(self.answer(summed, x, full), encoded=encoded)

    def _summed(self, x: Tensor, finest: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """The merged levels, with what is added to the finest of them; what is handed on. The rest is freed here."""
        features = self.encoder(x)
        return self.merge(self.levels(joined(features, finest))), self.handed_on(features)

    def levels(self, features: list[Tensor]) -> list[Tensor]:
        """The encoder's features at ``width`` channels each."""
        return [project(feature) for project, feature in zip(self.lateral, features, strict=True)]

    def merge(self, levels: list[Tensor]) -> Tensor:
        """Sum the levels from coarse to fine; returns [B,width,H/2,W/2]."""
        *finer, coarsest = levels
        for level in reversed(finer):
            coarsest = level + upsample_to(coarsest, level)
        return coarsest

    def answer(self, summed: Tensor, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Logits of the merged levels.

        Args:
            summed: [B,width,H/2,W/2].
            x: the image [B,3,H,W].
            added: to the features at full size, or None.

        Returns:
            [B,1,H,W], in float32 or better.
        """
        reduced = self.reduce(self.dropout(self.smooth(summed)))
        if self.look_closely is None or self.head is None:
            return upsample_to(at_least_float32(reduced), x)
        close = self.look_closely(x) if added is None else self.look_closely(x) + added
        joined = torch.cat([F.relu(upsample_to(reduced, x)), close], 1)
        return at_least_float32(self.head(joined))


def joined(features: list[Tensor], finest: Sequence[Tensor]) -> list[Tensor]:
    """Features with something added to the first, that is finest, of them.

    Args:
        features: of an encoder, [B,C_i,H_i,W_i].
        finest: as many of the same shapes as there is something for.
    """
    return [*(a + b for a, b in zip(features, finest, strict=False)), *features[len(finest) :]]
