"""Blur and reduction of a batch of photographs, as training degrades it, against one image after the other.

Two convolutions in one, a 36x36 kernel at every fourth pixel, would need more work than the transforms do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.case import Case
from degradations.blur_downsample import blur_and_downsample
from degradations.resize import bicubic_downsample

LIMIT, TARGET = 1e-5, 6.0
SCALE, KERNEL_SIDE = 4, 21


def batch(small: bool) -> Case:
    """Noise images, each with a random kernel that sums to 1, all in one call against one by one."""
    count, side = (2, 64) if small else (8, 448)
    torch.manual_seed(0)
    images = torch.rand(count, 3, side, side)
    kernels = torch.rand(count, 1, KERNEL_SIDE, KERNEL_SIDE)
    kernels /= kernels.sum((2, 3), keepdim=True)
    return Case(
        what=f"blur {KERNEL_SIDE}x{KERNEL_SIDE} and bicubic 1/{SCALE} of {count} images {side}x{side}",
        ours="blur_and_downsample on the batch",
        alternative="depthwise convolution, then resize, image by image",
        run_ours=lambda: {"lr": blur_and_downsample(images, kernels, SCALE)},
        run_alternative=lambda: {"lr": one_by_one(images, kernels)},
        limit=LIMIT,
        target=TARGET,
    )


def one_by_one(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image [3,H,W] padded by reflection, convolved channel by channel with its kernel, then reduced."""
    margin, channels = KERNEL_SIDE // 2, images.shape[1]
    reduced = []
    for image, kernel in zip(images, kernels, strict=True):
        padded = F.pad(image[None], (margin,) * 4, mode="reflect")
        blurred = F.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)
        reduced.append(bicubic_downsample(blurred, SCALE))
    return torch.cat(reduced)
