"""Estimation of the blur kernel: a first guess from LR features, then corrections from restored images.

Kernels travel as [B, k*k] vectors in row-major order, kept in at least float32. Taps may be negative.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.precision import at_least_float32
from models.sr.border import constant_map, mean_of_convolution, spread
from models.sr.projection import activated


def upsample_kernel(values: Tensor, estimated_side: int, kernel_side: int) -> Tensor:
    """Upsample kernels by bicubic interpolation (a = -0.75, half-pixel centres); not normalised.

    Args:
        values: [B,e*e].
        estimated_side: e.
        kernel_side: k.

    Returns:
        [B,k*k] in float32 or better.
    """
    values = at_least_float32(values)
    if estimated_side == kernel_side:
        return values
    square = values.reshape(-1, 1, estimated_side, estimated_side)
    size = (kernel_side, kernel_side)
    return F.interpolate(square, size=size, mode="bicubic", align_corners=False).flatten(1)


def normalise_kernel(kernel: Tensor, minimum_sum: float) -> Tensor:
    """Divide kernels by their sums.

    The guard keeps the sign and leaves every other kernel exactly divided by its plain sum, as the
    reference code does; a guarded kernel does not sum to 1.

    Args:
        kernel: [B,k*k].
        minimum_sum: a sum nearer to zero counts as that; 0 switches the guard off.
    """
    total = kernel.sum(1, keepdim=True)
    guarded = torch.where(total < 0, -minimum_sum, minimum_sum)
    return kernel / torch.where(total.abs() < minimum_sum, guarded, total)


class KernelPredictor(nn.Module):
    """LR features [B,width,h,w] -> first kernel [B,k*k], not normalised.

    Args:
        width: channels of the features.
        estimated_side: side of the grid that is predicted.
        kernel_side: k.
    """

    def __init__(self, width: int, estimated_side: int, kernel_side: int) -> None:
        super().__init__()
        self.sides = (estimated_side, kernel_side)
        self.layers = nn.Sequential(
            activated(nn.Conv2d(width, width, 3, padding=1, bias=False)),
            activated(nn.Conv2d(width, width, 3, padding=1, bias=False)),
            activated(nn.Conv2d(width, estimated_side**2, 3, padding=1, bias=False)),
        )

    def forward(self, features: Tensor) -> Tensor:
        means = at_least_float32(self.layers(features)).mean((2, 3))
        return upsample_kernel(means, *self.sides)


def convolution(channels: int, out_channels: int, side: int) -> nn.Conv2d:
    """Bias-free convolution that keeps the size."""
    return nn.Conv2d(channels, out_channels, side, padding=side // 2, bias=False)


class KernelCorrector(nn.Module):
    """Intermediate image [B,3,H,W], H, W >= 4, and kernel [B,k*k] -> correction to add, [B,k*k].

    The kernel's branch works on a 5x5 border table up to and through its share of the merging 1x1
    convolution; the last convolution is replaced by its exact spatial mean. Both equal the plain
    computation on constant maps of image size.

    Args:
        width: channels inside.
        estimated_side: side of the grid that is predicted.
        kernel_side: k.
    """

    def __init__(self, width: int, estimated_side: int, kernel_side: int) -> None:
        super().__init__()
        self.sides = (estimated_side, kernel_side)
        taps = estimated_side**2
        self.image_layers = nn.ModuleList(
            [
                convolution(3, taps, 3),
                convolution(taps, width, 1),
                convolution(width, width, 3),
                convolution(width, width, 3),
                convolution(width, taps, 3),
            ]
        )
        self.kernel_layers = nn.ModuleList([convolution(kernel_side**2, taps, 3), convolution(taps, taps, 3)])
        self.merge = convolution(2 * taps, width, 1)
        self.mix = convolution(width, width, 3)
        self.last = convolution(width, taps, 3)

    def forward(self, image: Tensor, kernel: Tensor) -> Tensor:
        image_weight, kernel_weight = self.merge.weight.chunk(2, dim=1)
        merged = F.conv2d(self.image_features(image), image_weight)
        table = F.conv2d(self.kernel_features(kernel.to(image.dtype)), kernel_weight)  # [B,width,5,5]
        merged = F.leaky_relu_(merged + spread(table, *image.shape[2:]))
        mixed = F.leaky_relu_(self.mix(merged))
        return upsample_kernel(mean_of_convolution(mixed, self.last.weight), *self.sides)

    def image_features(self, image: Tensor) -> Tensor:
        """Features [B,e*e,H,W] of the intermediate image."""
        features = F.relu_(self.image_layers[0](image))
        for layer in self.image_layers[1:]:
            features = F.leaky_relu_(layer(features))
        return features

    def kernel_features(self, kernel: Tensor) -> Tensor:
        """Border table [B,e*e,5,5] of the features of the kernel taken as a constant map."""
        table = constant_map(kernel, 5)
        for layer in self.kernel_layers:
            table = F.leaky_relu_(layer(table))
        return table
