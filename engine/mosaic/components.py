"""The cracks of a raster of any size: connected regions found block by block and merged across their borders.

What is kept of each region of a block is its area and its box; regions that touch across a border are one crack. The
labels of a block are computed again when they are wanted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from engine.mosaic.geotiff import Span
from engine.mosaic.grid import ABSENT
from engine.mosaic.rasters import BLOCK, SHOWN_FROM, Window, blocks
from engine.runtime.progress import Progress

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

KEPT_BLOCKS = 12  # whose labels are kept for the next window


@dataclass(frozen=True)
class Crack:
    """A region.

    Attributes:
        number: from 1 on, the largest first.
        area: pixels of the raster.
        box: top, left, bottom, right, the last two behind the region.
        parts: of each block that it has pixels in, the block's place among all and the pixels there.
    """

    number: int
    area: int
    box: tuple[int, int, int, int]
    parts: tuple[tuple[int, int], ...]


class Cracks:
    """Those of an open raster of probabilities.

    Args:
        file: the raster, 0 to ``engine.mosaic.grid.LEVELS`` or absent.
        level: crack from this value on.
        minimum_area: regions of fewer pixels are no cracks.
        side: of the blocks, pixels.
    """

    def __init__(self, file: DatasetReader, level: int, minimum_area: int, side: int = BLOCK) -> None:
        self.file, self.level, self.side = file, level, side
        self.columns = -(-file.width // side)
        self.windows = list(blocks(file.height, file.width, side))
        self._kept: OrderedDict[int, tuple[NDArray[np.uint8], NDArray[np.int32]]] = OrderedDict()
        self._first = np.zeros(len(self.windows) + 1, np.int64)  # of a block's regions among all
        with Progress(len(self.windows), "finding cracks", quiet=len(self.windows) < SHOWN_FROM) as self._progress:
            areas, boxes, touching = self._regions()
        count = int(self._first[-1])
        ones = np.ones(len(touching), bool)
        graph = sparse.coo_array((ones, (touching[:, 0], touching[:, 1])), shape=(count, count))
        found, of = connected_components(graph, directed=False) if count else (0, np.zeros(0, np.int32))
        total = np.bincount(of, areas, found).astype(np.int64)
        bounds = np.full((found, 4), np.iinfo(np.int32).max, np.int64)
        np.minimum.at(bounds, of, boxes * [1, 1, -1, -1])
        order = np.argsort(-total, kind="stable")
        order = order[total[order] >= max(1, minimum_area)]
        number = np.zeros(found + 1, np.int32)
        number[order] = np.arange(1, len(order) + 1)
        self.areas, self.boxes = total[order], bounds[order] * [1, 1, -1, -1]
        self._number = number[of]  # of each region of a block, 0 for none
        self._by_number = np.argsort(self._number, kind="stable")
        self._areas = areas

    def __len__(self) -> int:
        return len(self.areas)

    def __iter__(self) -> Iterator[Crack]:
        """By place: that of the block with the top left corner of their boxes."""
        corner = self.boxes[:, 0] // self.side * self.columns + self.boxes[:, 1] // self.side
        numbers = self._number[self._by_number]
        for index in np.argsort(corner, kind="stable"):
            first, last = np.searchsorted(numbers, [index + 1, index + 2])
            regions = self._by_number[first:last]
            places = np.searchsorted(self._first, regions, side="right") - 1
            there = np.unique(places)
            area = np.bincount(np.searchsorted(there, places), self._areas[regions])
            parts = tuple(zip(there.tolist(), area.astype(int).tolist(), strict=True))
            top, left, bottom, right = self.boxes[index].tolist()
            yield Crack(int(index) + 1, int(self.areas[index]), (top, left, bottom, right), parts)

    def window(self, rows: Span, columns: Span) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Values and numbers of cracks (0: none) in a window.

        Args:
            rows: within the raster.
            columns: likewise.

        Returns:
            uint8 [h,w] and int32 [h,w]; what is absent has the value 0.
        """
        shape = rows[1] - rows[0], columns[1] - columns[0]
        values, numbers = np.zeros(shape, np.uint8), np.zeros(shape, np.int32)
        for row in range(rows[0] // self.side, (rows[1] - 1) // self.side + 1):
            for column in range(columns[0] // self.side, (columns[1] - 1) // self.side + 1):
                place = row * self.columns + column
                (top, bottom), (left, right) = self.windows[place]
                y, x = (max(top, rows[0]), min(bottom, rows[1])), (max(left, columns[0]), min(right, columns[1]))
                here = np.s_[y[0] - rows[0] : y[1] - rows[0], x[0] - columns[0] : x[1] - columns[0]]
                there = np.s_[y[0] - top : y[1] - top, x[0] - left : x[1] - left]
                values[here], numbers[here] = (part[there] for part in self._block(place))
        return values, numbers

    def _block(self, place: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Values and numbers of a block."""
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        values, labels, _ = self._labels(self.windows[place])
        regions = self._number[self._first[place] : self._first[place + 1]]
        self._kept[place] = values, np.concatenate([np.zeros(1, np.int32), regions])[labels]
        if len(self._kept) > KEPT_BLOCKS:
            self._kept.popitem(last=False)
        return self._kept[place]

    def _labels(self, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Values, labels from 1 on, and their statistics as OpenCV gives them, of a block by itself."""
        values = self.file.read(1, window=window)
        values[values == ABSENT] = 0
        crack = (values >= self.level).view(np.uint8)
        if not crack.any():
            return values, np.zeros(values.shape, np.int32), np.zeros((1, 5), np.int32)
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(crack, connectivity=8, ltype=cv2.CV_32S)
        return values, labels, statistics

    def _regions(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of all blocks: areas [N], boxes [N,4], and the pairs of regions [M,2] that touch across borders."""
        areas, boxes, pairs = [np.zeros(0, np.int64)], [np.zeros((0, 4), np.int64)], [np.zeros((0, 2), np.int64)]
        above = np.full(self.file.width + 2, -1, np.int64)  # regions in the row above, one more to each side
        below, left = above.copy(), np.zeros(0, np.int64)
        for place, ((top, bottom), (first, last)) in enumerate(self.windows):
            self._progress.update()
            _, labels, statistics = self._labels(((top, bottom), (first, last)))
            start, count = self._first[place], len(statistics) - 1
            self._first[place + 1] = start + count
            found = statistics[1:].astype(np.int64)
            corners = found[:, [cv2.CC_STAT_TOP, cv2.CC_STAT_LEFT]] + [top, first]
            extent = found[:, [cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]]
            areas.append(found[:, cv2.CC_STAT_AREA])
            boxes.append(np.hstack([corners, corners + extent]))
            edges = [np.where(edge > 0, edge + (start - 1), -1) for edge in
                     (labels[0], labels[-1], labels[:, 0], labels[:, -1])]  # fmt: skip
            if first == 0:
                above, below = below, np.full_like(above, -1)
            else:
                pairs.append(_touching(np.pad(left, 1, constant_values=-1), edges[2]))
            pairs.append(_touching(above[first : last + 2], edges[0]))
            below[first + 1 : last + 1], left = edges[1], edges[3]
        return np.concatenate(areas), np.concatenate(boxes), np.concatenate(pairs)


def _touching(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of regions on both sides of a border, -1 for none; ``before`` has one pixel more at each end."""
    count = len(after)
    pairs = np.concatenate([np.stack([before[shift : shift + count], after], 1) for shift in range(3)])
    return np.unique(pairs[(pairs >= 0).all(1)], axis=0)
