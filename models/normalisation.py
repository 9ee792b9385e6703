"""Normalisation of the restored image before segmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import lookup

MEAN = (0.4741, 0.4937, 0.5048)
STD = (0.1621, 0.1532, 0.1523)
EPSILON = 1e-5


class InstanceNormalisation(nn.Module):
    """Each image and channel [B,3,H,W] to mean 0 and (biased) variance 1; eps 1e-5, no parameters."""

    def forward(self, image: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():  # ONNX's own asks for a number of channels that not every graph tells
            variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
            return (image - mean) * (variance + EPSILON).rsqrt()
        return F.instance_norm(image, eps=EPSILON)


class LocalNormalisation(nn.Module):
    """Each pixel and channel by mean and (biased) variance of the ``window`` x ``window`` pixels around it.

    What instance normalisation does to training crops of that side, done to a whole photograph: a shadow
    at its far end then changes nothing here. Windows that would cross the border are moved inside; an
    image no larger than the window is instance-normalised. In float32 or better; no parameters.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, image: Tensor) -> Tensor:
        """Normalise ``image`` [B,3,H,W] of any size."""
        if not torch.onnx.is_in_onnx_export() and max(image.shape[2:]) <= self.window:
            return F.instance_norm(image, eps=EPSILON)
        wide = image.to(torch.promote_types(image.dtype, torch.float32))
        centred = wide - wide.mean((2, 3), keepdim=True)  # small numbers: their squares lose less
        mean = local_mean(centred, self.window)
        variance = (local_mean(centred.square(), self.window) - mean.square()).clamp_min(0)
        return ((centred - mean) * (variance + EPSILON).rsqrt()).to(image.dtype)


def local_mean(image: Tensor, window: int) -> Tensor:
    """Mean of ``image`` [B,C,H,W] over ``window`` x ``window`` pixels around each, moved inside at borders.

    Of an axis shorter than that, over all of it. By running sums in float64: several times faster than pooling,
    and no size is a number in Python, so that in an exported graph the sides of the image stay open. Sizes stay on
    the CPU: a GPU would have to be waited for to read them.
    """
    for axis in (2, 3):
        length = torch.as_tensor(image.shape[axis])
        side = length.clamp(max=window)
        starts = (torch.arange(length, device=image.device) - side // 2).clamp(min=0).minimum(length - side)
        sums = torch.cat([torch.zeros_like(image.narrow(axis, 0, 1)), image], axis).double().cumsum(axis)
        total = sums.index_select(axis, starts + side) - sums.index_select(axis, starts)
        image = (total / side).to(image.dtype)
    return image


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
    "local": LocalNormalisation,
    "fixed": FixedNormalisation,
    "none": nn.Identity,
}


def build_normalisation(name: str, window: int) -> nn.Module:
    """The normalisation of that name; ``window`` is that of "local". Raises UserError for another name."""
    cls = lookup(NORMALISATIONS, name, "normalisation")
    return cls(window) if cls is LocalNormalisation else cls()


def describe(normalisation: nn.Module) -> dict[str, str]:
    """Name and window of a normalisation as text, from which ``build_normalisation`` makes it again."""
    name = next(name for name, cls in NORMALISATIONS.items() if type(normalisation) is cls)
    return {"normalise": name, "window": str(getattr(normalisation, "window", 0))}
