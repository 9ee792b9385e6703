"""Normalisation of the restored image before segmentation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import lookup
from contracts.precision import at_least_float32
from models.base import Statistics

MEAN = (0.4741, 0.4937, 0.5048)
STD = (0.1621, 0.1532, 0.1523)
EPSILON = 1e-5


def instance_normalised(image: Tensor) -> Tensor:
    """Each image and channel of [B,3,H,W] to mean 0 and (biased) variance 1.

    On CPUs torch (2.14) gets a single sample's gradient wrong, in silence, where it arrives channels last, as
    convolutions hand it over: it is laid out in the usual order first.
    """
    normalised = F.instance_norm(image, eps=EPSILON)
    if len(image) == 1 and normalised.requires_grad:
        normalised.register_hook(torch.Tensor.contiguous)
    return normalised


class Normalisation(nn.Module):
    """Maps an image [B,3,H,W] to what the segmentation looks at; leaves it as it is."""

    def statistics(self, image: Tensor) -> Statistics | None:
        """What tiles of ``image`` are normalised by, where that depends on all of it."""
        return None

    def forward(self, image: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Normalise an image or a tile of one.

        Args:
            image: [B,3,H,W] in [0,1].
            statistics: of the whole image that ``image`` is a tile of; None: it is all of it.
        """
        return image


class InstanceNormalisation(Normalisation):
    """Each image and channel [B,3,H,W] to mean 0 and (biased) variance 1; eps 1e-5, no parameters."""

    def statistics(self, image: Tensor) -> Statistics:
        """Mean and reciprocal deviation of all of ``image`` [B,3,H,W], [B,3,1,1] each."""
        variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
        return mean, (variance + EPSILON).rsqrt()

    def forward(self, image: Tensor, statistics: Statistics | None = None) -> Tensor:
        if statistics is None and torch.onnx.is_in_onnx_export():
            # ONNX's own asks for a number of channels that not every graph tells
            statistics = self.statistics(image)
        if statistics is None:
            return instance_normalised(image)
        mean, factor = (statistic.to(image.device) for statistic in statistics)
        return (image - mean) * factor


class LocalNormalisation(Normalisation):
    """Each pixel and channel by mean and (biased) variance of the ``window`` x ``window`` pixels around it.

    What instance normalisation does to training crops of that side, done to a whole photograph: a shadow
    at its far end then changes nothing here. Windows that would cross the border are moved inside; an
    image no larger than the window is instance-normalised. In float32 or better; no parameters.

    Args:
        window: side in pixels.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, image: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Normalise an image of any size.

        Args:
            image: [B,3,H,W] in [0,1]; the windows of a tile end at its borders.
            statistics: ignored.
        """
        if not torch.onnx.is_in_onnx_export() and max(image.shape[2:]) <= self.window:
            return instance_normalised(image)
        wide = at_least_float32(image)
        centred = wide - wide.mean((2, 3), keepdim=True)  # small numbers: their squares lose less
        mean = local_mean(centred, self.window)
        variance = (local_mean(centred.square(), self.window) - mean.square()).clamp_min(0)
        return ((centred - mean) * (variance + EPSILON).rsqrt()).to(image.dtype)


def local_mean(image: Tensor, window: int) -> Tensor:
    """Mean over the ``window`` x ``window`` pixels around each pixel, windows moved inside at borders.

    By running sums in float64: several times faster than pooling, and no size is a number in Python, so that in an
    exported graph the sides of the image stay open. Sizes stay on the CPU: a GPU would have to be waited for to read
    them.

    Args:
        image: [B,C,H,W].
        window: side in pixels; of an axis shorter than that, the mean is over all of it.
    """
    for axis in (2, 3):
        length = torch.as_tensor(image.shape[axis])
        side = length.clamp(max=window)
        positions = torch.arange(length, device=image.device)  # type: ignore[call-overload]  # a Tensor, for exported graphs
        starts = (positions - side // 2).clamp(min=0).minimum(length - side)
        sums = torch.cat([torch.zeros_like(image.narrow(axis, 0, 1)), image], axis).double().cumsum(axis)
        total = sums.index_select(axis, starts + side) - sums.index_select(axis, starts)
        image = (total / side).to(image.dtype)
    return image


class FixedNormalisation(Normalisation):
    """Subtract the fixed RGB mean of the authors' training images and divide by their deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, statistics: Statistics | None = None) -> Tensor:
        return (image - self.mean) / self.std


NORMALISATIONS: dict[str, type[Normalisation]] = {
    "instance": InstanceNormalisation,
    "local": LocalNormalisation,
    "fixed": FixedNormalisation,
    "none": Normalisation,
}


def build_normalisation(name: str, window: int) -> Normalisation:
    """The normalisation of that name.

    Args:
        name: a key of ``NORMALISATIONS``.
        window: that of "local", in pixels.

    Raises:
        UserError: for another name.
    """
    cls = lookup(NORMALISATIONS, name, "normalisation")
    return cls(window) if cls is LocalNormalisation else cls()


def describe(normalisation: Normalisation) -> dict[str, str]:
    """Name and window of a normalisation as text, from which ``build_normalisation`` makes it again."""
    name = next(name for name, cls in NORMALISATIONS.items() if type(normalisation) is cls)
    return {"normalise": name, "window": str(getattr(normalisation, "window", 0))}
