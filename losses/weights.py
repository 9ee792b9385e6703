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

    prob, mask: [B,1,H,W]; amplitude: m.
    """
    return torch.exp(amplitude * (prob.detach() - mask).abs())


def crack_oriented(distance_to_crack: Tensor, amplitude: float) -> Tensor:
    """Weight ``2 exp(-m d)``: 2 on crack pixels, falling with the distance from them.

    distance_to_crack: [B,1,H,W] in pixels, from ``distance_to_crack``; amplitude: m, per pixel.
    """
    return 2 * torch.exp(-amplitude * distance_to_crack)


def distance_to_crack(mask: Tensor) -> Tensor:
    """Euclidean distance in pixels of each pixel to the nearest crack pixel, 0 inside.

    mask: [B,1,H,W], crack where > 0.5; an empty mask gives 0 everywhere. Computed on the CPU; the
    result has the mask's type and device.
    """
    samples = (mask > 0.5).cpu().numpy()
    maps = [_distance(sample) if sample.any() else np.zeros(sample.shape) for sample in samples[:, 0]]
    return torch.from_numpy(np.stack(maps)).unsqueeze(1).to(mask)


def _distance(crack: np.ndarray) -> np.ndarray:
    return ndimage.distance_transform_edt(~crack)


def reduce_to_lr(weight: Tensor, scale: int) -> Tensor:
    """Reduce a weight map [B,1,H,W] to LR size [B,1,H/scale,W/scale].

    Bilinear with half-pixel centres and no antialiasing: for scale 4 the mean of each cell's four
    central pixels. Raises ValueError when the sides are no multiples of the scale.
    """
    height, width = weight.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"sides {height}x{width} must be multiples of the scale {scale}")
    size = (height // scale, width // scale)
    return F.interpolate(weight, size=size, mode="bilinear", align_corners=False, antialias=False)
