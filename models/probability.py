"""Interpolated probabilities whose logits stay exact, for networks that enlarge after the sigmoid.

The logit of an interpolated probability p is log p - log(1 - p). Near 1, p has lost what 1 - p is made of, and with it
the gradient of a confident false alarm. So both are interpolated: crack and no crack, each from its own sigmoid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contracts.precision import at_least_float32

LARGEST_LOGIT = 60.0  # beyond it, gradients through 1 / p come near the limits of float32


def both_probabilities(logits: Tensor) -> Tensor:
    """Logits [B,1,h,w] -> probabilities [B,2,h,w] of crack and of no crack, in float32 or better.

    Logits beyond +-60 count as that; their gradient passes as if they did not.
    """
    wide = at_least_float32(logits)
    bounded = wide.detach().clamp(-LARGEST_LOGIT, LARGEST_LOGIT) + (wide - wide.detach())
    return torch.cat([bounded.sigmoid(), (-bounded).sigmoid()], 1)


def logits_of(both: Tensor) -> Tensor:
    """Logits [B,1,H,W] of what ``both_probabilities`` gave [B,2,H,W], after any interpolation; exact in both tails."""
    crack, none = both.log().chunk(2, dim=1)
    return crack - none
