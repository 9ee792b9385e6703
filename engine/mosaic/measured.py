"""Lengths and widths of the cracks of a raster of any size, each measured as a whole with bounded memory.

A crack in a box of at most ``DIRECT`` pixels is measured there. Of a larger one, the blocks that it has pixels in are
measured, each with enough around it, and what lies within them is put together (``engine.mosaic.joined``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.mosaic.components import Crack as Region
from engine.mosaic.components import Cracks
from engine.mosaic.geotiff import Span
from engine.mosaic.grid import LEVELS
from engine.mosaic.joined import Stretch, joined, stretches_of
from metrics.geometry import Crack, measure

DIRECT = 1_500_000  # px: measuring takes 170 bytes for each
AROUND = 128  # px around a block: what reaches into it from where its surroundings are cut off, of usual cracks
MOST_AREA = 8_000_000  # px of crack: the centrelines of more would not fit


@dataclass(frozen=True)
class Limits:
    """direct: the largest box in pixels that is measured at once; area: crack pixels of a crack that is not split."""

    direct: int = DIRECT
    area: int = MOST_AREA


@dataclass(frozen=True)
class Measured:
    """A crack of a mosaic, or a part of one.

    Attributes:
        number: of the crack, from 1 on, the largest first.
        crack: what was measured, in pixels of the raster.
        part: where a crack was split that is too large for the memory: the pixels that this part lies in, else "".
    """

    number: int
    crack: Crack
    part: str = ""


def measured(cracks: Cracks, limits: Limits | None = None) -> Iterator[Measured]:
    """Measure every crack.

    Args:
        cracks: of a raster.
        limits: of what memory is to hold; None: those above.

    Returns:
        The cracks by place, those too large for memory in parts.
    """
    limits = limits or Limits()
    for region in cracks:
        top, left, bottom, right = region.box
        if (bottom - top) * (right - left) <= limits.direct:
            yield Measured(region.number, _at_once(cracks, region))
            continue
        for parts in split(cracks, region.parts, limits.area):
            crack, where = _in_blocks(cracks, region, parts), ""
            if len(parts) < len(region.parts):
                spans = [cracks.windows[place] for place, _ in parts]
                rows, columns = (
                    (min(span[axis][0] for span in spans), max(span[axis][1] for span in spans)) for axis in (0, 1)
                )
                where = f"rows {rows[0]} to {rows[1] - 1}, columns {columns[0]} to {columns[1] - 1}"
            yield Measured(region.number, crack, where)


def split(cracks: Cracks, parts: Sequence[tuple[int, int]], most: int) -> Iterator[Sequence[tuple[int, int]]]:
    """The blocks of a crack in groups of at most ``most`` crack pixels each, or of one block: halves of halves.

    Args:
        cracks: of the raster.
        parts: places of blocks and the crack's pixels there.
        most: pixels.
    """
    if len(parts) == 1 or sum(area for _, area in parts) <= most:
        yield parts
        return
    spots = np.array([divmod(place, cracks.columns) for place, _ in parts])
    axis = int(np.ptp(spots, axis=0).argmax())
    middle = (spots[:, axis].min() + spots[:, axis].max() + 1) / 2
    for side in (spots[:, axis] < middle, spots[:, axis] >= middle):
        yield from split(cracks, [part for part, here in zip(parts, side, strict=True) if here], most)


def _at_once(cracks: Cracks, region: Region) -> Crack:
    """A crack measured in its own box, with as much around it as ``measure`` looks at."""
    top, left, bottom, right = region.box
    inside = cracks.window((top, bottom), (left, right))[1] == region.number
    margin = math.ceil(2.5 * _half_width(inside) + 3) + 1
    profile, (first, second) = _profile(cracks, region, (top, bottom), (left, right), margin)
    (crack,) = measure(profile, (cracks.level - 0.5) / LEVELS)
    offset = np.array([first, second])
    lines = tuple(line + offset for line in crack.lines)
    widest = None if crack.widest is None else (crack.widest[0] + first, crack.widest[1] + second)
    return replace(crack, box=region.box, lines=lines, widest=widest)


def _in_blocks(cracks: Cracks, region: Region, parts: Sequence[tuple[int, int]]) -> Crack:
    """A crack measured block by block."""
    stretches: list[Stretch] = []
    for place, _ in parts:
        rows, columns = cracks.windows[place]
        profile, corner = _profile(cracks, region, rows, columns, AROUND)
        half = _half_width(profile > (cracks.level - 0.5) / LEVELS)
        wanted = min(math.ceil(6 * half) + 32, cracks.side)
        if wanted > AROUND:
            profile, corner = _profile(cracks, region, rows, columns, wanted)
        found = measure(profile, (cracks.level - 0.5) / LEVELS)
        stretches += stretches_of(found, profile, corner, (rows, columns), 2.5 * half + 3)
    area = sum(area for _, area in parts)
    return joined(stretches, area, region.box)


def _half_width(inside: NDArray[np.bool_]) -> float:
    return float(ndimage.distance_transform_edt(np.pad(inside, 1)).max())


def _profile(
    cracks: Cracks, region: Region, rows: Span, columns: Span, margin: int
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Probabilities of a window and what is around it, other cracks taken for background; its first row and column."""
    height, width = cracks.file.shape
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    values, numbers = cracks.window((top, min(height, rows[1] + margin)), (left, min(width, columns[1] + margin)))
    values[(values >= cracks.level) & (numbers != region.number)] = 0
    return values / np.float64(LEVELS), (top, left)
