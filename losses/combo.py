"""Segmentation losses with one call signature: (logits, mask, distance, alpha) -> [B].

``logits`` [B,C,H,W], no sigmoid; ``mask`` [B,1,H,W] in {0, 1}; ``distance`` [B,1,H,W] normalised signed
distance map of the mask, or None for a loss whose ``needs_distance`` is False; ``alpha`` in [0, 1] the
share of the region terms, which losses without a boundary term ignore.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor

from contracts.errors import ArgumentError, lookup
from contracts.precision import at_least_float32
from losses import region as regions

REGION_TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dice": regions.dice,
    "generalised_dice": regions.generalised_dice,
}


class SegmentationLoss(Protocol):
    """What the joint loss asks of a segmentation loss."""

    needs_distance: bool

    def __call__(self, logits: Tensor, mask: Tensor, distance: Tensor | None, alpha: float) -> Tensor:
        """Return one value per sample [B]; see the module for the arguments."""
        ...


def probability(logits: Tensor) -> Tensor:
    """Sigmoid in float32 or better."""
    return torch.sigmoid(at_least_float32(logits))


class BinaryCrossEntropy:
    """The usual binary cross-entropy [B]; the distance map and alpha are not used."""

    needs_distance = False

    def __call__(self, logits: Tensor, mask: Tensor, distance: Tensor | None, alpha: float) -> Tensor:
        """Return one value per sample [B], not negative."""
        return regions.bce(logits, mask)


class RegionCombo:
    """``(u1 WBCE + u2 region) / (u1 + u2)`` [B]; the distance map and alpha are not used."""

    needs_distance = False

    def __init__(
        self,
        region: str = "dice",
        bce_weight: float = 1.0,
        region_weight: float = 1.0,
        positive: float | Literal["ratio"] = 1.0,
        negative: float = 1.0,
    ) -> None:
        """Choose the region term and the weights.

        Args:
            region: a name in REGION_TERMS.
            bce_weight: u1, at least 0.
            region_weight: u2, at least 0.
            positive: weight of crack pixels in WBCE; "ratio" is background over crack pixels of the sample, so that
                both weigh the same at ``negative`` 1.
            negative: weight of background pixels in WBCE.

        Raises:
            ArgumentError: if weights are negative or sum to zero.
        """
        for pair in ((bce_weight, region_weight), (0.0 if positive == "ratio" else positive, negative)):
            if min(pair) < 0 or not 0 < sum(pair) < float("inf"):
                raise ArgumentError(f"loss weights must not be negative and need a positive sum; received {pair}")
        self.region = lookup(REGION_TERMS, region, "region term")
        self.bce_weight, self.region_weight = bce_weight, region_weight
        self.positive, self.negative = positive, negative

    def __call__(self, logits: Tensor, mask: Tensor, distance: Tensor | None, alpha: float) -> Tensor:
        """Return one value per sample [B], not negative."""
        total: Tensor | float = 0.0
        if self.bce_weight:
            positive = regions.background_ratio(mask) if self.positive == "ratio" else self.positive
            total = self.bce_weight * regions.weighted_bce(logits, mask, positive, self.negative)
        if self.region_weight:
            total = total + self.region_weight * self.region(probability(logits), mask)
        assert isinstance(total, Tensor)  # one of the weights is positive
        return total / (self.bce_weight + self.region_weight)


class BoundaryCombo(RegionCombo):
    """Boundary combo loss ``alpha * RegionCombo + (1 - alpha) * Boundary`` [B]; it can be negative.

    Y. Kondo and N. Ukita, IEEE TIM 73, 2024; the constructor is RegionCombo's.
    """

    needs_distance = True

    def __call__(self, logits: Tensor, mask: Tensor, distance: Tensor | None, alpha: float) -> Tensor:
        """Return one value per sample [B]; raise ValueError without a distance map."""
        if distance is None:
            raise ValueError("this loss needs the signed distance map: load the data with distance=True")
        region = super().__call__(logits, mask, distance, alpha)
        return alpha * region + (1 - alpha) * regions.boundary(probability(logits), distance)


SEGMENTATION_LOSSES: dict[str, Callable[..., SegmentationLoss]] = {
    "boundary_combo": BoundaryCombo,
    "generalised_boundary_combo": partial(BoundaryCombo, region="generalised_dice"),
    "boundary_dice": partial(BoundaryCombo, bce_weight=0.0),
    "boundary_generalised_dice": partial(BoundaryCombo, region="generalised_dice", bce_weight=0.0),
    "combo": RegionCombo,
    "wbce": partial(RegionCombo, region_weight=0.0),
    "bce": BinaryCrossEntropy,
    "dice": partial(RegionCombo, bce_weight=0.0),
    "generalised_dice": partial(RegionCombo, region="generalised_dice", bce_weight=0.0),
}
