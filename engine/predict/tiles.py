"""Run a network over an image of any size in overlapping tiles, blended without seams.

Each tile is weighted by raised-cosine ramps that sum to one over the tiles (a partition of unity),
so a constant comes out constant and a pointwise function as if run on the whole image. The outer
quarter of an overlap has weight zero: there, a tile sees padding where the image goes on. A
convolution that looks at most ``overlap // 4`` pixels far is therefore reproduced exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contracts.errors import UserError

TileFunction = Callable[[Any], Mapping[str, Tensor]]  # of a tensor, or of tensors by name, as the image is
ProgressFunction = Callable[[int, int], None]


@dataclass(frozen=True)
class Axis:
    """How one side of the image is cut.

    Attributes:
        length: of the image, in input pixels.
        padded: length after padding.
        size: of a tile, in input pixels.
        starts: of the tiles.
        weights: blending weights [tiles, size * scale] float64, summing to one at every output pixel.
    """

    length: int
    padded: int
    size: int
    starts: tuple[int, ...]
    weights: Tensor


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple of ``multiple`` that is at least ``value``."""
    return math.ceil(value / multiple) * multiple


def tile_starts(length: int, size: int, overlap: int) -> tuple[int, ...]:
    """Return evenly spread starts of tiles that cover a side.

    Args:
        length: of the side, pixels.
        size: of a tile, pixels.
        overlap: the least of two tiles, pixels.
    """
    if length <= size:
        return (0,)
    count = math.ceil((length - overlap) / (size - overlap))
    return tuple(round(index * (length - size) / (count - 1)) for index in range(count))


def _ramp(size: int, overlap: int) -> Tensor:
    """Return [size] weights rising from 0 to 1 over the middle half of the first ``overlap`` pixels."""
    flat = overlap // 4
    width = overlap - 2 * flat
    position = (torch.arange(size, dtype=torch.float64) - flat + 0.5) / max(width, 1)
    return torch.sin(position.clamp(0, 1) * (math.pi / 2)) ** 2


def cut(length: int, tile: int, overlap: int, scale: int, multiple: int) -> Axis:
    """Plan the tiles along one side; no ramp at the two ends of the image."""
    size = min(round_up(tile, multiple), round_up(length, multiple))
    padded = max(length, size)
    starts = tile_starts(padded, size, overlap)
    weights = torch.ones(len(starts), size * scale, dtype=torch.float64)
    if overlap:
        rising = _ramp(size * scale, overlap * scale)
        weights[1:] *= rising
        weights[:-1] *= rising.flip(0)
    total = torch.zeros(padded * scale, dtype=torch.float64)
    for start, row in zip(starts, weights, strict=True):
        total[start * scale : start * scale + row.numel()] += row
    for start, row in zip(starts, weights, strict=True):
        row /= total[start * scale : start * scale + row.numel()]
    return Axis(length, padded, size, starts, weights)


def places(start: int, size: int, length: int, padded: int) -> Tensor:
    """Which of ``length`` pixels stand at ``size`` places from ``start`` on, of ``padded`` ones.

    Beyond the image it is reflected, or its last pixel is repeated where it is too small for that.
    """
    index = torch.arange(start, start + size)
    if padded - length >= length:
        return index.clamp(max=length - 1)
    return torch.where(index < length, index, 2 * (length - 1) - index)


def _take(image: Tensor, top: int, left: int, vertical: Axis, horizontal: Axis) -> Tensor:
    """One tile of the padded image, which is never made: a view, or a copy where the tile leaves the image."""
    rows, columns = top + vertical.size, left + horizontal.size
    if rows <= image.shape[-2] and columns <= image.shape[-1]:
        return image[..., top:rows, left:columns]
    down = places(top, vertical.size, image.shape[-2], vertical.padded)
    along = places(left, horizontal.size, image.shape[-1], horizontal.padded)
    return image[..., down[:, None], along]


def _accumulate(
    result: dict[str, Tensor], name: str, value: Tensor, weight: Tensor, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    """Add a weighted tile at ``corner`` of a result of ``size``, leaving out what lies beyond it."""
    if name not in result:
        result[name] = torch.zeros(1, value.shape[1], *size)
    top, left = corner
    region = result[name][..., top : top + weight.shape[0], left : left + weight.shape[1]]
    weighted = value.detach().to("cpu", torch.float32) * weight
    region += weighted[..., : region.shape[-2], : region.shape[-1]]


def run_tiled(
    fn: TileFunction,
    image: Tensor | Mapping[str, Tensor],
    tile: int = 128,
    overlap: int = 32,
    scale: int = 1,
    multiple: int = 1,
    progress: ProgressFunction | None = None,
    lengths: tuple[int, ...] | None = None,
) -> dict[str, Tensor]:
    """Return ``fn(image)`` computed tile by tile. Beyond the results, memory holds one tile at a time.

    Args:
        fn: maps [1,C,h,w], sides divisible by ``multiple``, to named tensors [1,C',h*scale,w*scale].
        image: [1,C,h,w] of any size; or several of one size by name, of which ``fn`` gets tiles by name.
        tile: side of a tile in pixels of ``image``, rounded up to ``multiple``.
        overlap: of tiles, in the same pixels.
        scale: how many times larger the results are, by side.
        multiple: what sides of tiles are divisible by.
        progress: called with (tiles done, tiles in all) after each tile.
        lengths: height and width that tiles are to cover, at least those of the image; beyond it they see its
            reflection.

    Returns:
        Tensors by name, float32 on the CPU, [1,C',h*scale,w*scale].

    Raises:
        UserError: unless 0 <= overlap < tile.
        ValueError: for results of another size.
    """
    images = list(image.values()) if isinstance(image, Mapping) else [image]
    for tensor in images:
        if tensor.ndim != 4 or tensor.shape[0] != 1:
            raise ValueError(f"expected an image [1,C,h,w], got {tuple(tensor.shape)}")
    if tile < 1 or not 0 <= overlap < tile:
        raise UserError(f"tile {tile} with overlap {overlap}: choose 0 <= overlap < tile, such as tile // 8")
    height, width = images[0].shape[-2:]
    vertical, horizontal = (cut(length, tile, overlap, scale, multiple) for length in (lengths or (height, width)))
    size = (height * scale, width * scale)
    result: dict[str, Tensor] = {}
    total = len(vertical.starts) * len(horizontal.starts)
    for done in range(total):
        row, column = divmod(done, len(horizontal.starts))
        top, left = vertical.starts[row], horizontal.starts[column]
        window = (top, left, vertical, horizontal)
        if isinstance(image, Mapping):
            values = fn({name: _take(tensor, *window) for name, tensor in image.items()})
        else:
            values = fn(_take(image, *window))
        weight = (vertical.weights[row][:, None] * horizontal.weights[column]).float()
        for name, value in values.items():
            if value.ndim != 4 or value.shape[0] != 1 or value.shape[-2:] != weight.shape:
                rows, columns = weight.shape
                raise ValueError(f"tile output '{name}' is {tuple(value.shape)}, expected [1,C,{rows},{columns}]")
            _accumulate(result, name, value, weight, (top * scale, left * scale), size)
        if progress is not None:
            progress(done + 1, total)
    return result
