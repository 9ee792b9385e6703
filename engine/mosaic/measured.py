"""Lengths and widths of the cracks of a raster of any size, each measured as a whole with bounded memory.

A crack in a box of at most ``DIRECT`` pixels is measured there. Of a larger one, the blocks that it has pixels in are
measured, each with enough around it, and what lies within them is put together (``engine.mosaic.joined``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.mosaic.components import Crack as Region
from engine.mosaic.components import Cracks
from engine.mosaic.geotiff import Span
from engine.mosaic.grid import LEVELS
from engine.mosaic.joined import Stretch, joined, stretches_of
from engine.mosaic.rasters import Window
from metrics.geometry import Crack, margin_of, measure, radius_of, reach_of

DIRECT = 1_500_000  # px: measuring takes 170 bytes for each
AROUND = 128  # px around a block: what reaches into it from where its surroundings are cut off, of usual cracks
MOST_AREA = 8_000_000  # px of crack: the centrelines of more would not fit

Grey = Callable[[Span, Span], NDArray]


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


def measured(cracks: Cracks, limits: Limits | None = None, grey: Grey | None = None) -> Iterator[Measured]:
    """Measure every crack.

    Args:
        cracks: of a raster.
        limits: of what memory is to hold; None: those above.
        grey: reads the mosaic's brightness [h,w] of rows and columns of the raster, across which widths are then taken;
            None: across the raster.

    Returns:
        The cracks by place, those too large for memory in parts.
    """
    limits = limits or Limits()
    for region in cracks:
        top, left, bottom, right = region.box
        if (bottom - top) * (right - left) <= limits.direct:
            yield Measured(region.number, _at_once(cracks, region, grey))
            continue
        for parts in split(cracks, region.parts, limits.area):
            crack, where = _in_blocks(cracks, region, parts, grey), ""
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


def _at_once(cracks: Cracks, region: Region, grey: Grey | None) -> Crack:
    """A crack measured in its own box, with as much around it as ``measure`` looks at."""
    top, left, bottom, right = region.box
    inside = cracks.window((top, bottom), (left, right))[1] == region.number
    around = _around(cracks, (top, bottom), (left, right), margin_of(float(radius_of(inside).max())))
    profile, (first, second) = _profile(cracks, region, around), (around[0][0], around[1][0])
    (crack,) = measure(profile, (cracks.level - 0.5) / LEVELS, None if grey is None else grey(*around))
    offset = np.array([first, second])
    lines = tuple(line + offset for line in crack.lines)
    widest = None if crack.widest is None else (crack.widest[0] + first, crack.widest[1] + second)
    return replace(crack, box=region.box, lines=lines, widest=widest)


def _in_blocks(cracks: Cracks, region: Region, parts: Sequence[tuple[int, int]], grey: Grey | None) -> Crack:
    """A crack measured block by block."""
    stretches: list[Stretch] = []
    for place, _ in parts:
        rows, columns = cracks.windows[place]
        around = _around(cracks, rows, columns, AROUND)
        profile = _profile(cracks, region, around)
        half = float(radius_of(profile > (cracks.level - 0.5) / LEVELS).max())
        wanted = min(math.ceil(6 * half) + 32, cracks.side)
        if wanted > AROUND:
            around = _around(cracks, rows, columns, wanted)
            profile = _profile(cracks, region, around)
        found = measure(profile, (cracks.level - 0.5) / LEVELS, None if grey is None else grey(*around))
        corner = (around[0][0], around[1][0])
        stretches += stretches_of(found, profile, corner, (rows, columns), reach_of(half))
    area = sum(area for _, area in parts)
    return joined(stretches, area, region.box)


def _around(cracks: Cracks, rows: Span, columns: Span, margin: int) -> Window:
    """A window with what is around it, as far as there is anything."""
    height, width = cracks.file.shape
    return (
        (max(0, rows[0] - margin), min(height, rows[1] + margin)),
        (max(0, columns[0] - margin), min(width, columns[1] + margin)),
    )


def _profile(cracks: Cracks, region: Region, window: Window) -> NDArray[np.float64]:
    """Probabilities of a window, other cracks taken for background."""
    values, numbers = cracks.window(*window)
    values[(values >= cracks.level) & (numbers != region.number)] = 0
    return values / np.float64(LEVELS)
