"""JPEG compression of a batch on its own device, one quality per sample."""

from __future__ import annotations

import copy
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

import contracts.basicsr_shim  # noqa: F401
from degradations.resize import round_to_8_bit

# isort: split
from basicsr.utils.diffjpeg import DiffJPEG

BLOCK = 16  # 8x8 blocks after 4:2:0 subsampling of the colour planes


@lru_cache(maxsize=8)
def _codec(device: torch.device) -> DiffJPEG:
    """Return basicsr's codec on this device, in float64.

    Float32 matrix products round differently for different batch sizes, and rounding of the coefficients magnifies
    that. The codec is copied first, because its quantisation tables are module globals.
    """
    return copy.deepcopy(DiffJPEG(differentiable=False)).double().to(device).requires_grad_(False).eval()


def quantisation_factor(quality: Tensor) -> Tensor:
    """Return the multiplier of the standard quantisation tables for qualities [B] in [1, 100].

    The Independent JPEG Group's rule: 50 / q below 50, else 2 - q / 50; at least 0.01, as 100 would give 0.
    """
    return torch.where(quality < 50, 50 / quality, 2 - quality / 50).clamp(min=0.01)


@torch.no_grad()
def jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """Compress and decompress a batch.

    As with files, the image is clamped and rounded to 8 bit on the way in and on the way out. 4:2:0 chroma,
    standard tables, no gradient. Sides are completed to multiples of 16 by repeating the edge, then cut off.

    Args:
        image: RGB [B,3,h,w], any size.
        quality: [B] in [1, 100].

    Returns:
        [B,3,h,w] in [0, 1].
    """
    height, width = image.shape[-2:]
    padding = (0, -width % BLOCK, 0, -height % BLOCK)
    padded = F.pad(round_to_8_bit(image.double()), padding, mode="replicate")
    factor = quantisation_factor(quality.to(device=image.device, dtype=torch.float64))
    codec = _codec(image.device)
    planes = codec.compress(padded, factor=factor)
    restored = codec.decompress(*planes, *padded.shape[-2:], factor=factor)
    return round_to_8_bit(restored[..., :height, :width]).to(image.dtype)
