"""Weighted means over all positions of an image, with softmax weights."""

from __future__ import annotations

import torch
from torch import Tensor

from contracts.precision import wide_type


def softmax_pooling(logits: Tensor, values: Tensor) -> Tensor:
    """Means of ``values`` [B,C,H,W] weighted by the softmax over positions of ``logits`` [B,K,H,W]: [B,K,C].

    In float32 at least, also under autocast: weights of a hundred thousand positions underflow in half
    precision. The result has the dtype of ``values``.
    """
    dtype = wide_type(values)
    with torch.autocast(values.device.type, enabled=False):
        weights = logits.to(dtype).flatten(2).softmax(-1)
        return (weights @ values.to(dtype).flatten(2).transpose(1, 2)).to(values.dtype)
