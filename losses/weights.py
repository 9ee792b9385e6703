"""Pixel weights that point the SR loss to where segmentation fails or to where cracks are.

Maps [B,1,H,W] that multiply the absolute error of the restored image (Kondo & Ukita, 2024). They carry
no gradient.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor


def fail_oriented(prob: Tensor, mask: Tensor, amplitude: float) -> Tensor:
    """Weight ``exp(m |p - y|)``: 1 where the prediction is right, exp(m) where it is fully wrong.

    Args:
        prob: p, [B,1,H,W] in [0, 1].
        mask: y, [B,1,H,W] in {0, 1}.
        amplitude: m.
    """
    return torch.exp(amplitude * (prob.detach() - mask).abs())


def crack_oriented(distance_to_crack: Tensor, amplitude: float) -> Tensor:
    """Weight ``2 exp(-m d)``: 2 on crack pixels, falling with the distance from them.

    Args:
        distance_to_crack: d, [B,1,H,W] in pixels, from ``distance_to_crack``.
        amplitude: m, per pixel.
    """
    return 2 * torch.exp(-amplitude * distance_to_crack)


def distance_to_crack(mask: Tensor) -> Tensor:
    """Euclidean distance in pixels of each pixel to the nearest crack pixel, 0 inside.

    mask: [B,1,H,W], crack where > 0.5; an empty mask gives 0 everywhere. The result has the mask's type and device:
    a CPU has SciPy's exact transform, another device one that does not make it wait for the CPU.
    """
    crack = mask > 0.5
    if not mask.is_cpu:
        return distance_on_device(crack).to(mask)
    samples = crack[:, 0].numpy()
    maps = [ndimage.distance_transform_edt(~sample) if sample.any() else np.zeros(sample.shape) for sample in samples]
    return torch.from_numpy(np.stack(maps)).unsqueeze(1).to(mask)


def distance_on_device(crack: Tensor) -> Tensor:
    """``distance_to_crack`` of a bool mask [B,1,H,W] in float32, exact: along the columns, then the least of each row.

    All pairs of a row are compared, W times the work of SciPy's way: quick where thousands of them are at once.
    """
    height, width = crack.shape[2:]
    row, column = (torch.arange(side, device=crack.device) for side in (height, width))
    row, beyond = row[:, None], height + width  # beyond: farther than any two pixels are apart
    above = torch.where(crack, row, -beyond).cummax(2).values
    below = torch.where(crack, row, height + beyond).flip(2).cummin(2).values.flip(2)
    vertical = torch.minimum(row - above, below - row).float().square()  # [B,1,H,W]
    horizontal = (column[:, None] - column).float().square()  # [W,W]
    squares = torch.stack([(sample.unsqueeze(2) + horizontal).amin(3) for sample in vertical])  # of [1,H,W,W] each
    return torch.where(crack.flatten(1).any(1).view(-1, 1, 1, 1), squares.sqrt(), 0.0)


def downsample_weight(weight: Tensor, scale: int) -> Tensor:
    """Downsample a weight map to LR size.

    Bilinear with half-pixel centres and no antialiasing: for scale 4 the mean of each cell's four central pixels.

    Args:
        weight: [B,1,H,W].
        scale: factor that divides both sides.

    Returns:
        [B,1,H/scale,W/scale].

    Raises:
        ValueError: if the sides are no multiples of the scale.
    """
    height, width = weight.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"sides {height}x{width} must be multiples of the scale {scale}")
    size = (height // scale, width // scale)
    return F.interpolate(weight, size=size, mode="bilinear", align_corners=False, antialias=False)
