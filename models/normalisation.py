"""Normalisation of the restored image before segmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (0.4741, 0.4937, 0.5048)
STD = (0.1621, 0.1532, 0.1523)


class InstanceNormalisation(nn.Module):
    """Each image and channel [B,3,H,W] to mean 0 and (biased) variance 1; eps 1e-5, no parameters."""

    def forward(self, image: Tensor) -> Tensor:
        return F.instance_norm(image, eps=1e-5)


class FixedNormalisation(nn.Module):
    """Subtract the fixed RGB mean of the authors' training images and divide by their deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


NORMALISATIONS: dict[str, type[nn.Module]] = {
    "instance": InstanceNormalisation,
    "fixed": FixedNormalisation,
    "none": nn.Identity,
}
