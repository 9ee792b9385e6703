"""A feature pyramid that estimates how blurred its image is, and is modulated by that estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.seg.fpn import FPN, LEVELS, joined

BLUR = 4  # numbers: sigma major, sigma minor, cos 2a, sin 2a
FINEST = 3  # levels that are looked at for blur, of strides 2, 4 and 8


class BlurEstimate(nn.Module):
    """Global means of feature maps, then two layers; returns ``Segmented.blur`` [B,4] in the maps' precision.

    The standard deviations are positive (softplus), cosine and sine in (-1, 1) (tanh).

    Args:
        channels: of the maps.
        hidden: of the first layer.
    """

    def __init__(self, channels: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(sum(channels), hidden), nn.Linear(hidden, BLUR)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        means = torch.cat([feature.mean((2, 3)) for feature in features], 1)
        sigmas, direction = self.second(F.relu(self.first(means))).split(2, 1)
        return torch.cat([F.softplus(sigmas), torch.tanh(direction)], 1)


class BlurModulation(nn.Module):
    """FiLM (E. Perez et al., AAAI 2018): each channel of each level times 1 + scale, plus shift, made from the blur.

    Both are 0 at first, so that the levels start unchanged.

    Args:
        levels: number of levels.
        width: channels of each.
        hidden: of the first of two layers.
    """

    def __init__(self, levels: int, width: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(BLUR, hidden), nn.Linear(hidden, levels * 2 * width)
        self.levels = levels
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, levels: Sequence[Tensor], blur: Tensor) -> list[Tensor]:
        both = self.second(F.relu(self.first(blur))).unsqueeze(2).unsqueeze(3)  # [B,2*levels*width,1,1]
        pairs = (part.chunk(2, 1) for part in both.chunk(self.levels, 1))
        return [level * (1 + scale) + shift for level, (scale, shift) in zip(levels, pairs, strict=True)]


class FilmFPN(FPN):
    """``FPN`` whose levels are modulated by the blur that it estimates from its own encoder's features.

    The estimate is ``Segmented.blur``, which ``loss.blur_weight`` teaches by the true kernel's moments; without that it
    is four numbers about the image that the segmentation makes use of as it likes. The image is what is segmented,
    restored or enlarged, and the blur that of the photograph before it. The features are averaged over all that the
    network sees at once: of a photograph taken in tiles, each tile is modulated by its own estimate.

    At first it segments as an ``FPN`` of the same weights does, and weights of one can be started from.

    Args:
        hidden: of the layers that estimate and that modulate, at least 1.
        fpn: arguments of ``FPN``.

    Raises:
        ArgumentError: for a number out of range.
    """

    may_lack = ("estimate.", "modulate.")

    def __init__(self, hidden: int = 64, **fpn: Any) -> None:
        super().__init__(**fpn)
        if hidden < 1:
            raise ArgumentError(f"hidden {hidden} must be at least 1")
        self.estimate = BlurEstimate(self.encoder.feature_info.channels()[:FINEST], hidden)
        self.modulate = BlurModulation(len(LEVELS), self.reduce.in_channels, hidden)

    def forward(
        self, x: Tensor, kernel: Tensor | None = None, added: tuple[Tensor | None, Tensor, Tensor] | None = None
    ) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 32.
            kernel: ignored.
            added: see ``injected``; the blur is estimated without it.

        Returns:
            Logits [B,1,H,W] and the estimated blur [B,4].
        """
        features = self.encoder(x)
        blur = self.estimate(features[:FINEST])
        full, *finest = added or (None,)
        levels = self.modulate(self.levels(joined(features, finest)), blur)
        return Segmented(
            self.answer(self.merge(levels), x, full), encoded=self.handed_on(features), blur=at_least_float32(blur)
        )
