"""Feature affinity: the pixels of two feature maps should resemble each other in the same pattern.

L. Wang et al., "Dual Super-Resolution Learning for Semantic Segmentation", CVPR 2020, equations 3 and 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32

REDUCTIONS = ("mean", "sum")


def similarity(features: Tensor, normalise: bool) -> Tensor:
    """Inner products of all pairs of pixels.

    Args:
        features: feature map [B,C,h,w].
        normalise: whether to compare directions only, that is to return cosines.

    Returns:
        Similarities [B,hw,hw].
    """
    vectors = features.flatten(2)  # [B,C,hw]
    if normalise:
        vectors = F.normalize(vectors, dim=1)
    return vectors.transpose(1, 2) @ vectors


def feature_affinity(segmentation: Tensor, restoration: Tensor, pool: int = 16, normalise: bool = False) -> Tensor:
    """Mean absolute difference of the two maps' similarities, per sample.

    Args:
        segmentation: features of the segmentation [B,C,H,W].
        restoration: features of the restoration [B,D,H,W].
        pool: both maps are first averaged over squares of this side; a remainder at the right and bottom is left out.
        normalise: compare directions only, as in the paper. Otherwise, as in the code of Kondo & Ukita's comparison,
            the value grows with the features.

    Returns:
        One value per sample [B], in float32 or better.

    Raises:
        ValueError: if sides or batches differ.
        UserError: for maps smaller than one square.
    """
    if segmentation.shape[0] != restoration.shape[0] or segmentation.shape[2:] != restoration.shape[2:]:
        shapes = f"{tuple(segmentation.shape)} and {tuple(restoration.shape)}"
        raise ValueError(f"features to compare differ in batch or sides: {shapes}")
    if min(segmentation.shape[2:]) < pool:
        sides = " x ".join(str(side) for side in segmentation.shape[2:])
        raise ArgumentError(
            f"feature affinity averages over {pool} x {pool} squares, features are {sides}; "
            "give larger crops or a lower pool"
        )
    with torch.autocast(segmentation.device.type, enabled=False):
        first, second = (
            similarity(F.avg_pool2d(at_least_float32(features), pool), normalise)
            for features in (segmentation, restoration)
        )
        return (first - second).abs().mean((1, 2))


class FeatureAffinity:
    """The affinity loss of a batch, a scalar.

    Args:
        pool: see ``feature_affinity``; at least 1.
        normalise: see ``feature_affinity``.
        reduction: over the batch, "mean", or "sum" as in the code of Kondo & Ukita's comparison, which then weighs
            the term by the batch size.

    Raises:
        ArgumentError: for another reduction or a pool below 1.
    """

    def __init__(self, pool: int = 16, normalise: bool = False, reduction: str = "mean") -> None:
        if reduction not in REDUCTIONS:
            raise ArgumentError(f"the affinity loss's reduction must be 'mean' or 'sum'; received {reduction!r}")
        if pool < 1:
            raise ArgumentError(f"the affinity loss's pool must be at least 1; received {pool}")
        self.pool, self.normalise, self.reduction = pool, normalise, reduction

    def __call__(self, features: tuple[Tensor, Tensor]) -> Tensor:
        """Compare the features of the segmentation with those of the restoration, outside autocast."""
        values = feature_affinity(*features, pool=self.pool, normalise=self.normalise)
        return values.mean() if self.reduction == "mean" else values.sum()
