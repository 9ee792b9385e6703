"""Which tiles a mosaic is cut into, as ``engine.predict`` cuts a photograph, and how they are put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.mosaic.geotiff import Mosaic, Span
from engine.predict.tiled_model import aligned_length
from engine.predict.tiles import Axis, cut, places, round_up

LEVELS = 254  # of a probability from 0 to 1 in a byte
ABSENT = 255  # a pixel that shows nothing


@dataclass(frozen=True)
class Tile:
    """The tile at a row and column of the grid."""

    row: int
    column: int


@dataclass(frozen=True)
class Grid:
    """The tiles of a mosaic.

    Attributes:
        down: how its height is cut.
        across: how its width is cut.
        scale: how many times larger the tiles' probabilities are, by side.
    """

    down: Axis
    across: Axis
    scale: int

    @property
    def height(self) -> int:
        """Rows of probabilities."""
        return self.down.length * self.scale

    @property
    def width(self) -> int:
        """Columns of probabilities."""
        return self.across.length * self.scale

    def tiles(self) -> Iterator[Tile]:
        """All of them, row by row."""
        for row in range(len(self.down.starts)):
            for column in range(len(self.across.starts)):
                yield Tile(row, column)

    def read(self, mosaic: Mosaic, tile: Tile) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """A tile's pixels [h,w,3] and which of them show nothing [h,w], reflected beyond the mosaic."""
        rows = places(self.down.starts[tile.row], self.down.size, self.down.length, self.down.padded).numpy()
        columns = places(
            self.across.starts[tile.column], self.across.size, self.across.length, self.across.padded
        ).numpy()
        top, left = int(rows.min()), int(columns.min())
        pixels, absent = mosaic.read((top, int(rows.max()) + 1), (left, int(columns.max()) + 1))
        if pixels.shape[:2] == (len(rows), len(columns)):
            return pixels, absent
        around = np.ix_(rows - top, columns - left)
        return np.ascontiguousarray(pixels[around]), absent[around]

    def blend(self, load: Callable[[Tile], NDArray[np.uint8]], rows: Span, columns: Span) -> NDArray[np.uint8]:
        """Put a window of probabilities together.

        Args:
            load: gives a tile as it was kept, uint8 [h*scale,w*scale].
            rows: of the window.
            columns: of the window.

        Returns:
            uint8 [h,w]: 0 to ``LEVELS``, or ``ABSENT``.
        """
        total = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), np.float32)
        absent = np.zeros(total.shape, bool)
        across = list(_meeting(self.across, columns, self.scale))
        for row, y, rows_there, rows_here in _meeting(self.down, rows, self.scale):
            for column, x, columns_there, columns_here in across:
                part = load(Tile(row, column))[rows_there, columns_there]
                nothing = part == ABSENT
                weight = (y[:, None] * x).astype(np.float32)
                total[rows_here, columns_here] += weight * np.where(nothing, 0, part)
                absent[rows_here, columns_here] |= nothing
        return np.where(absent, np.uint8(ABSENT), np.rint(total).astype(np.uint8))


def _meeting(axis: Axis, span: Span, scale: int) -> Iterator[tuple[int, NDArray[np.float64], slice, slice]]:
    """The tiles along a side that meet a span: number, weights, where in the tile and where in the span."""
    for number, start in enumerate(axis.starts):
        begin = start * scale
        first, last = max(span[0], begin), min(span[1], begin + axis.size * scale)
        if first < last:
            there = slice(first - begin, last - begin)
            yield number, axis.weights[number, there].numpy(), there, slice(first - span[0], last - span[0])


def grid_for(size: tuple[int, int], tile: int, overlap: int, scale: int, multiple: int, restore: bool) -> Grid:
    """The tiles of a mosaic: those of ``TiledModel.segment``, or those of ``TiledModel.restore``.

    Args:
        size: height and width, pixels.
        tile: side before restoring.
        overlap: of tiles, in the same pixels.
        scale: of the model.
        multiple: what tiles to segment start at multiples of.
        restore: whether tiles are restored first.
    """
    if restore:
        down, across = (cut(length, tile, overlap, scale, 1) for length in size)
        return Grid(down, across, scale)
    side = round_up(tile * scale, multiple)
    stride = max(multiple, (side - overlap * scale) // multiple * multiple)
    axes = []
    for length in size:
        axis = cut(aligned_length(length, side, stride, multiple), side, side - stride, 1, 1)
        axes.append(Axis(length, axis.padded, axis.size, axis.starts, axis.weights))
    return Grid(axes[0], axes[1], 1)
