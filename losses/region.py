"""Region losses of a probability map against a mask, one value per sample [B].

Every function takes ``prob`` [B,C,H,W] in [0, 1] and ``mask`` [B,1,H,W] or [B,C,H,W] in {0, 1}; a mask
with one channel stands for all C. Means and sums run over the channels and pixels of a sample, in
float32 or better whatever autocast says.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-8  # inside logarithms, and the lower clamp of probabilities
DICE_SMOOTHING = 1e-6
GENERALISED_DICE_SMOOTHING = 1e-5


def flat_pair(prob: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as [B, C*H*W] in the wider precision of the two, at least float32.

    Raises ValueError unless ``other`` has prob's batch and sides, and one channel or as many.
    """
    fits = other.dim() == prob.dim() == 4 and other.shape[1] in (1, prob.shape[1])
    if not fits or other.shape[0] != prob.shape[0] or other.shape[2:] != prob.shape[2:]:
        raise ValueError(f"expected [B,1,H,W] for prob {tuple(prob.shape)}; received {tuple(other.shape)}")
    dtype = torch.promote_types(torch.promote_types(prob.dtype, other.dtype), torch.float32)
    return prob.to(dtype).flatten(1), other.to(dtype).expand_as(prob).flatten(1)


def background_ratio(mask: Tensor) -> Tensor:
    """Background over crack pixels of each sample [B]; 1 where one of the two is missing."""
    y = mask.flatten(1)
    crack = y.sum(1)
    background = y.shape[1] - crack
    return torch.where((crack > 0) & (background > 0), background / crack.clamp(min=1), torch.ones_like(crack))


def weighted_bce(
    prob: Tensor, mask: Tensor, positive: float | Tensor = 1.0, negative: float | Tensor = 1.0
) -> Tensor:
    """Cross-entropy whose weights sum to one [B]: at 1:1 half of the usual binary cross-entropy.

    ``-mean[positive y log(p + 1e-8) + negative (1-y) log(1-p + 1e-8)] / (positive + negative)``, with weights
    for all samples or one for each [B].
    """
    p, y = flat_pair(prob, mask)
    crack = (y * torch.log(p + EPSILON)).mean(dim=1)
    background = ((1 - y) * torch.log(1 - p + EPSILON)).mean(dim=1)
    return -(positive * crack + negative * background) / (positive + negative)


def bce(prob: Tensor, mask: Tensor) -> Tensor:
    """The usual binary cross-entropy [B], mean over pixels."""
    return 2 * weighted_bce(prob, mask)


def dice(prob: Tensor, mask: Tensor) -> Tensor:
    """Dice loss with squared denominator [B] in [0, 1] (F. Milletari et al., 3DV 2016)."""
    p, y = flat_pair(prob, mask)
    denominator = (p * p).sum(dim=1) + (y * y).sum(dim=1)
    return 1 - (2 * (p * y).sum(dim=1) + DICE_SMOOTHING) / (denominator + DICE_SMOOTHING)


def generalised_dice(prob: Tensor, mask: Tensor) -> Tensor:
    """Generalised Dice loss for one class [B] in [0, 1]; empty mask: 1 (C. Sudre et al., 2017).

    The class weight 1 / (number of crack pixels)^2 cancels except against the smoothing of 1e-5.
    """
    p, y = flat_pair(prob, mask)
    weight = (y.sum(dim=1) + 1e-10) ** -2
    overlap = weight * (p * y).sum(dim=1) + GENERALISED_DICE_SMOOTHING
    total = weight * (p.sum(dim=1) + y.sum(dim=1)) + GENERALISED_DICE_SMOOTHING
    return 1 - 2 * overlap / total
