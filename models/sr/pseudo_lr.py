"""The low-resolution image that KBPN makes of a restored one, to see what is still wrong with it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def pseudo_lr(image: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """Blur each sample's image with its own kernel and keep every ``scale``-th pixel.

    Cross-correlation (no flip), zero padding, phase 0; samples are folded into groups.

    Args:
        image: [B,3,H,W].
        kernel: [B,k*k].
        scale: step between the pixels kept.

    Returns:
        [B,3,H/scale,W/scale].
    """
    side = math.isqrt(kernel.shape[1])
    taps = kernel.to(image.dtype).reshape(-1, 1, side, side)
    by_colour = image.transpose(0, 1)  # [3,B,H,W]: one group for each sample
    if not torch.onnx.is_in_onnx_export() and (len(taps) == 1 or image.dtype == torch.bfloat16):
        return phase_by_phase(by_colour, taps, scale).transpose(0, 1)
    blurred = F.conv2d(by_colour, taps, stride=scale, padding=side // 2, groups=len(taps))
    return blurred.transpose(0, 1)


def phase_by_phase(image: Tensor, taps: Tensor, scale: int) -> Tensor:
    """What a strided convolution in B groups gives, as one without strides.

    Image and taps are sorted by their position in the scale x scale cell (Vetterli, IEEE Trans. ASSP 34, 1986), and the
    sum over k x k taps becomes one over s*s channels and some k/s x k/s taps without strides: the same sum. On CPUs
    the backward pass of a large strided kernel of one channel takes several times as long.

    Args:
        image: [3,B,H,W].
        taps: [B,1,k,k].
        scale: stride s.

    Returns:
        [3,B,H/s,W/s].
    """
    half = taps.shape[-1] // 2
    before, after = -(-half // scale), half // scale  # cells that the kernel reaches
    front = before * scale - half
    back = (before + after + 1) * scale - taps.shape[-1] - front
    cells = F.pixel_unshuffle(F.pad(taps, (front, back, front, back)), scale)  # [B,s*s,reach,reach]
    phases = F.pad(F.pixel_unshuffle(image, scale), (before, after, before, after))  # [3,B*s*s,h+..,w+..]
    return F.conv2d(phases, cells, groups=len(taps))
