"""Learning from image labels alone: a map of logits is pooled to one logit of "cracked" per image.

Every pooling takes logits [B,C,H,W] and returns [B].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import ArgumentError, lookup
from contracts.precision import at_least_float32


def max_pooling(logits: Tensor) -> Tensor:
    """The largest logit: an image is cracked if any pixel is. One pixel per image gets a gradient."""
    return logits.flatten(1).amax(1)


def log_sum_exp_pooling(logits: Tensor, sharpness: float) -> Tensor:
    """``log(mean(exp(r x))) / r`` (P. Pinheiro, R. Collobert, CVPR 2015).

    Every pixel gets a gradient, in proportion to exp(r x).

    Args:
        logits: [B,C,H,W].
        sharpness: r; near 0 the result is the mean, for large r the maximum.
    """
    flat = logits.flatten(1)
    return (torch.logsumexp(sharpness * flat, 1) - math.log(flat.shape[1])) / sharpness


def top_pooling(logits: Tensor, share: float) -> Tensor:
    """Mean of the largest logits, a ``share`` of all pixels (at least one)."""
    flat = logits.flatten(1)
    return flat.topk(max(1, round(share * flat.shape[1])), dim=1).values.mean(1)


POOLINGS: dict[str, Callable[..., Callable[[Tensor], Tensor]]] = {
    "max": lambda sharpness, share: max_pooling,
    "log_sum_exp": lambda sharpness, share: lambda logits: log_sum_exp_pooling(logits, sharpness),
    "top": lambda sharpness, share: lambda logits: top_pooling(logits, share),
}


class ImageLabelLoss:
    """Binary cross-entropy [B] of the pooled logit with the image's label; masks are not looked at.

    Args:
        pooling: "max" (the original), "log_sum_exp" or "top".
        sharpness: r of "log_sum_exp", above 0.
        share: of the pixels that "top" averages, in (0, 1].
        positive: weight of cracked images, above 0; uncracked ones weigh 1.

    Raises:
        ArgumentError: for another pooling and for values out of range.
    """

    needs_distance = False

    def __init__(
        self, pooling: str = "max", sharpness: float = 4.0, share: float = 0.01, positive: float = 1.0
    ) -> None:
        make = lookup(POOLINGS, pooling, "pooling")
        if sharpness <= 0 or not 0 < share <= 1 or positive <= 0:
            raise ArgumentError(
                f"sharpness {sharpness} and positive {positive} must be above 0, share {share} above 0 and at most 1"
            )
        self.pool, self.positive = make(sharpness, share), positive

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return one value per sample [B], in float32 or better.

        Args:
            logits: [B,C,H,W].
            label: [B], 1 for a cracked image, 0 for one without.
        """
        wide = at_least_float32(logits)
        weight = 1 + (self.positive - 1) * label
        return F.binary_cross_entropy_with_logits(self.pool(wide), label.to(wide.dtype), weight, reduction="none")


IMAGE_LABEL_LOSSES: dict[str, Callable[..., ImageLabelLoss]] = {"image_label": ImageLabelLoss}
