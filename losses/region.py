"""Region and boundary losses of a map against a mask, one value per sample [B].

Cross-entropies take ``logits`` [B,C,H,W], so that a confident error keeps its gradient; the others ``prob`` [B,C,H,W]
in [0, 1]. ``mask`` is [B,1,H,W] or [B,C,H,W] in {0, 1}; one with one channel stands for all C. Means and sums run
over the channels and pixels of a sample, in float32 or better whatever autocast says.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.precision import wide_type

SOFTPLUS_LINEAR = 40.0  # beyond it log(1 + exp(x)) is x, in float64 too
DICE_SMOOTHING = 1e-6
GENERALISED_DICE_SMOOTHING = 1e-5


def flat_pair(predicted: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Flatten both maps to [B, C*H*W] in the wider precision of the two, at least float32.

    Args:
        predicted: probabilities or logits [B,C,H,W].
        other: mask or distance map [B,1,H,W] or [B,C,H,W]; one channel stands for all C.

    Raises:
        ValueError: if batch, sides or channels do not fit.
    """
    fits = other.dim() == predicted.dim() == 4 and other.shape[1] in (1, predicted.shape[1])
    if not fits or other.shape[0] != predicted.shape[0] or other.shape[2:] != predicted.shape[2:]:
        raise ValueError(f"expected [B,1,H,W] for a map {tuple(predicted.shape)}; received {tuple(other.shape)}")
    dtype = wide_type(predicted, other)
    return predicted.to(dtype).flatten(1), other.to(dtype).expand_as(predicted).flatten(1)


def background_ratio(mask: Tensor) -> Tensor:
    """Background over crack pixels of each sample [B]; 1 where one of the two is missing."""
    y = mask.flatten(1)
    crack = y.sum(1)
    background = y.shape[1] - crack
    return torch.where((crack > 0) & (background > 0), background / crack.clamp(min=1), torch.ones_like(crack))


def weighted_bce(
    logits: Tensor, mask: Tensor, positive: float | Tensor = 1.0, negative: float | Tensor = 1.0
) -> Tensor:
    """Cross-entropy whose weights sum to one [B]: at 1:1 half of the usual binary cross-entropy.

    ``-mean[positive y log p + negative (1-y) log(1-p)] / (positive + negative)``. As -log p = -log(1-p) - x for the
    logit x, one logarithm is enough.

    Args:
        logits: [B,C,H,W], no sigmoid.
        mask: [B,1,H,W] or [B,C,H,W] in {0, 1}.
        positive: weight of crack pixels, one for all samples or one for each [B].
        negative: weight of background pixels, likewise.
    """
    x, y = flat_pair(logits, mask)
    alarm = F.softplus(x, threshold=SOFTPLUS_LINEAR)  # -log(1-p)
    crack = (y * (alarm - x)).mean(dim=1)
    background = ((1 - y) * alarm).mean(dim=1)
    return (positive * crack + negative * background) / (positive + negative)


def bce(logits: Tensor, mask: Tensor) -> Tensor:
    """The usual binary cross-entropy, mean over pixels.

    Args:
        logits: [B,C,H,W], no sigmoid.
        mask: [B,1,H,W] or [B,C,H,W] in {0, 1}.

    Returns:
        [B].
    """
    return 2 * weighted_bce(logits, mask)


def dice(prob: Tensor, mask: Tensor) -> Tensor:
    """Dice loss with squared denominator (F. Milletari et al., 3DV 2016).

    Args:
        prob: [B,C,H,W] in [0, 1].
        mask: [B,1,H,W] or [B,C,H,W] in {0, 1}.

    Returns:
        [B] in [0, 1].
    """
    p, y = flat_pair(prob, mask)
    denominator = (p * p).sum(dim=1) + (y * y).sum(dim=1)
    return 1 - (2 * (p * y).sum(dim=1) + DICE_SMOOTHING) / (denominator + DICE_SMOOTHING)


def generalised_dice(prob: Tensor, mask: Tensor) -> Tensor:
    """Generalised Dice loss for one class; empty mask: 1 (C. Sudre et al., 2017).

    The class weight 1 / (number of crack pixels)^2 cancels except against the smoothing of 1e-5.

    Args:
        prob: [B,C,H,W] in [0, 1].
        mask: [B,1,H,W] or [B,C,H,W] in {0, 1}.

    Returns:
        [B] in [0, 1].
    """
    p, y = flat_pair(prob, mask)
    weight = (y.sum(dim=1) + 1e-10) ** -2
    overlap = weight * (p * y).sum(dim=1) + GENERALISED_DICE_SMOOTHING
    total = weight * (p.sum(dim=1) + y.sum(dim=1)) + GENERALISED_DICE_SMOOTHING
    return 1 - 2 * overlap / total


def boundary(prob: Tensor, distance: Tensor) -> Tensor:
    """Boundary loss [B]: mean of probability times signed distance; negative where the prediction fits.

    Args:
        prob: [B,C,H,W] in [0, 1].
        distance: normalised signed distance map of the mask [B,1,H,W] in [-1, 1], positive outside (J. Ma et al.,
            2020).

    Source: H. Kervadec et al., MIDL 2019.
    """
    p, signed = flat_pair(prob, distance)
    return (p * signed).mean(dim=1)
