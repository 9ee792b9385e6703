"""Boundary loss: how far from the true contour the predicted probability lies."""

from __future__ import annotations

from torch import Tensor

from losses.region import flat_pair


def boundary(prob: Tensor, distance: Tensor) -> Tensor:
    """Mean of probability times signed distance [B]; negative where the prediction fits.

    prob: [B,C,H,W] in [0, 1]; distance: [B,1,H,W] normalised signed distance map of the mask in
    [-1, 1], positive outside (J. Ma et al., 2020). Source: H. Kervadec et al., MIDL 2019.
    """
    p, signed = flat_pair(prob, distance)
    return (p * signed).mean(dim=1)
