"""Layers and small functions that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.precision import wide_type


def conv_bn_relu(
    channels: int, out_channels: int, side: int = 3, dilation: int = 1, bias: bool = False
) -> nn.Sequential:
    """Size-keeping convolution, batch norm, ReLU.

    Args:
        channels: of the input.
        out_channels: of the output.
        side: of the convolution's kernel, odd.
        dilation: of the convolution.
        bias: whether the convolution has one.
    """
    padding = dilation * (side // 2)
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, side, padding=padding, dilation=dilation, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def conv_relu(channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution and ReLU; the size is kept.

    Args:
        channels: of the input.
        out_channels: of the output.
    """
    return nn.Sequential(nn.Conv2d(channels, out_channels, 3, padding=1), nn.ReLU(inplace=True))


def scaled_width(channels: int, factor: float) -> int:
    """A number of channels times a factor, rounded, at least 1.

    Args:
        channels: the number.
        factor: positive.
    """
    return max(1, round(channels * factor))


def upsample_to(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear interpolation (half-pixel centres) to the size of another map.

    Args:
        x: [B,C,h,w].
        like: [B,D,H,W].

    Returns:
        [B,C,H,W].
    """
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def upsample_aligned(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear interpolation (aligned corners).

    Args:
        x: [B,C,h,w].
        size: (H, W).

    Returns:
        [B,C,H,W].
    """
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


def initialise(network: nn.Module) -> None:
    """Kaiming normal weights for ReLU (fan-in; He et al., ICCV 2015) in all convolutions, zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Replicate the lower and right borders until both sides are divisible by a number.

    In an exported graph padding is kept even if the image traced needs none: another one may.

    Args:
        image: [B,C,H,W].
        multiple: the number, pixels.

    Returns:
        The padded image, ``image`` itself where nothing is missing.
    """
    below, right = -image.shape[2] % multiple, -image.shape[3] % multiple
    if not torch.onnx.is_in_onnx_export() and not below and not right:
        return image
    return F.pad(image, (0, right, 0, below), mode="replicate")


def mirror_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Mirror the lower and right borders (the last row not repeated) until both sides are divisible by a number.

    By indices, as padding takes no more rows than there are, and ONNX's none that depend on the size.

    Args:
        image: [B,C,H,W] of any size.
        multiple: the number, pixels.

    Returns:
        The padded image; along a side that lacks nothing, as it was.
    """
    for axis in (2, 3):
        length = torch.as_tensor(image.shape[axis])
        missing = -length % multiple
        if not torch.onnx.is_in_onnx_export() and not missing:
            continue
        period, end = (2 * (length - 1)).clamp(min=1), length + missing
        positions = torch.arange(end, device=image.device)  # type: ignore[call-overload]  # a Tensor, for exported graphs
        positions = positions % period
        image = image.index_select(axis, positions.minimum(period - positions).clamp(max=length - 1))
    return image


def convolve_concatenated(layer: nn.Conv2d, maps: Sequence[Tensor]) -> Tensor:
    """``layer(torch.cat(maps, 1))`` up to rounding, without a concatenated copy.

    A convolution is linear: each map meets its own slice of the weights, and the results are summed. Dense networks
    look at all maps made so far; the copies made for each layer that does would be kept for the backward pass, and
    together grow with the square of the number of stages.

    Args:
        layer: convolution of one group.
        maps: [B,C_i,H,W], at least one.
    """
    if len(maps) == 1:
        return layer(maps[0])
    slices = layer.weight.split([feature.shape[1] for feature in maps], dim=1)
    total = F.conv2d(maps[0], slices[0], layer.bias, layer.stride, layer.padding, layer.dilation)
    for feature, weight in zip(maps[1:], slices[1:], strict=True):
        total += F.conv2d(feature, weight, None, layer.stride, layer.padding, layer.dilation)
    return total


def softmax_pooling(logits: Tensor, values: Tensor) -> Tensor:
    """Means of values over all positions of an image, weighted by a softmax over these positions.

    In float32 at least, also under autocast: weights of a hundred thousand positions underflow in half precision.

    Args:
        logits: [B,K,H,W], of which the softmax over positions gives the weights.
        values: [B,C,H,W].

    Returns:
        [B,K,C] in the dtype of ``values``.
    """
    dtype = wide_type(values)
    with torch.autocast(values.device.type, enabled=False):
        weights = logits.to(dtype).flatten(2).softmax(-1)
        return (weights @ values.to(dtype).flatten(2).transpose(1, 2)).to(values.dtype)
