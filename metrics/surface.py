"""Surface distances between two masks in pixels: robust Hausdorff distance and mean distance.

After S. Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and
neck anatomy" (2018): the surface of a mask runs through the corner points of the pixel grid, each
weighted by the length of contour that it stands for. The outside of the image is background.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.distance import squared_distance

# Contour length of a corner point by the number and place of its set pixels; a point's rank indexes it.
LENGTHS = np.array([0.5 * np.sqrt(2.0), 1.0, np.sqrt(2.0)])
CORNER, STRAIGHT, DIAGONAL, NO_SURFACE = 0, 1, 2, 3
# Code of a corner point = 8 * top left + 4 * top right + 2 * bottom left + bottom right.
CODE = np.array([8, 4, 2, 1], dtype=np.uint8)
_RANK_OF_CODE = np.full(16, CORNER, dtype=np.uint8)
_RANK_OF_CODE[[0, 15]] = NO_SURFACE
_RANK_OF_CODE[[3, 5, 10, 12]] = STRAIGHT
_RANK_OF_CODE[[6, 9]] = DIAGONAL


class SurfaceDistance(NamedTuple):
    """Pixels; both 0 when both masks are empty, both NaN when exactly one is."""

    hausdorff: float
    mean: float


@dataclass(frozen=True)
class Surface:
    """Surface points of one mask: flat indices into the grid of corner points, and their ranks."""

    index: NDArray[np.int64]
    rank: NDArray[np.uint8]
    grid: tuple[int, int]  # (H + 1, W + 1)

    @property
    def empty(self) -> bool:
        """Whether the mask holds no pixel (a full mask still has the image border as surface)."""
        return self.index.size == 0

    def squared_distance_map(self) -> NDArray[np.int64]:
        """Flat map over the grid: squared distance of each corner point to this surface."""
        points = np.zeros(self.grid, dtype=np.bool_)
        points.ravel()[self.index] = True
        return squared_distance(points).ravel()

    def squared_distance_at(self, other: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same at the given flat indices only, inside the box that holds both sets of points."""
        _height, width = self.grid
        rows, columns = np.divmod(self.index, width)
        other_rows, other_columns = np.divmod(other, width)
        top, left = min(rows.min(), other_rows.min()), min(columns.min(), other_columns.min())
        bottom, right = max(rows.max(), other_rows.max()), max(columns.max(), other_columns.max())
        points = np.zeros((bottom - top + 1, right - left + 1), dtype=np.bool_)
        points[rows - top, columns - left] = True
        return squared_distance(points, at=(other_rows - top, other_columns - left))


class Corners:
    """The corner points of a map of levels [H,W] at which its pixels differ: where the surfaces of all its masks lie.

    The surface of the mask ``levels > k`` runs through the corners whose lowest pixel is at most k and whose highest
    is above it, so that no threshold has to look at the whole image again.
    """

    def __init__(self, levels: NDArray[np.uint8]) -> None:
        padded = cv2.copyMakeBorder(levels, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        pixels = (padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:])
        lowest, highest = (reduce(extreme, pixels) for extreme in (np.minimum, np.maximum))
        self.grid = highest.shape
        index = np.flatnonzero(lowest != highest)
        highest = highest.ravel()[index]
        self.above = len(index) - np.bincount(highest, minlength=256).cumsum()  # corners with a pixel above each level
        self.index = index[np.argsort(255 - highest, kind="stable")]  # the highest first
        self.lowest, *self.pixels = (plane.ravel()[self.index] for plane in (lowest, *pixels))

    def surface(self, k: int) -> Surface:
        """The surface of the mask ``levels > k``."""
        on = np.flatnonzero(self.lowest[: self.above[k]] <= k)
        code = sum(weight * (pixel[on] > k) for weight, pixel in zip(CODE, self.pixels, strict=True))
        return Surface(self.index[on], _RANK_OF_CODE[code], self.grid)


def surface(mask: NDArray) -> Surface:
    """Find the surface points of a mask [H,W]; every non-zero pixel counts as set."""
    return Corners((np.asarray(mask) != 0).view(np.uint8)).surface(0)


class SurfaceTarget:
    """A ground-truth mask whose surface and distance map are shared by many predictions."""

    def __init__(self, mask: NDArray, percentile: float = 95.0) -> None:
        """Find the surface of the mask.

        Args:
            mask: [H,W]; every non-zero pixel counts as set.
            percentile: of the directed distances, in (0, 100].

        Raises:
            ValueError: for another percentile.
        """
        if not 0.0 < percentile <= 100.0:
            raise ValueError(f"percentile must lie in (0, 100]; received {percentile}")
        self.percentile = percentile
        self.surface = surface(mask)
        self._map = None if self.surface.empty else self.surface.squared_distance_map()

    def distance(self, predicted: Surface) -> SurfaceDistance:
        """Compare the surface of a predicted mask of the same size with the ground truth's."""
        if predicted.grid != self.surface.grid:
            sides = " and ".join(f"{grid[0] - 1}x{grid[1] - 1}" for grid in (predicted.grid, self.surface.grid))
            raise ValueError(f"prediction and ground truth differ in size: {sides}")
        if predicted.empty and self.surface.empty:
            return SurfaceDistance(0.0, 0.0)
        if self._map is None or predicted.empty:
            return SurfaceDistance(np.nan, np.nan)
        to_truth = _directed(self._map[predicted.index], predicted.rank, self.percentile)
        to_prediction = _directed(predicted.squared_distance_at(self.surface.index), self.surface.rank, self.percentile)
        hausdorff = max(to_truth.hausdorff, to_prediction.hausdorff)
        return SurfaceDistance(hausdorff, (to_truth.mean + to_prediction.mean) / 2)


def _directed(squared: NDArray[np.int64], rank: NDArray[np.uint8], percentile: float) -> SurfaceDistance:
    """Length-weighted percentile and mean of one direction's distances."""
    ordered = np.sort(squared * 4 + rank)  # by distance, then by length: ties fall as in the original
    distance, length = np.sqrt(ordered >> 2), LENGTHS[ordered & 3]
    fraction = np.cumsum(length) / np.sum(length)
    first = min(int(np.searchsorted(fraction, percentile / 100.0)), distance.size - 1)
    return SurfaceDistance(float(distance[first]), float(np.sum(distance * length) / np.sum(length)))


def surface_sweep(
    levels: NDArray[np.uint8], target: SurfaceTarget, thresholds: Iterable[int]
) -> dict[int, SurfaceDistance]:
    """Compare the predictions ``levels > k`` with the ground truth for several thresholds.

    Masks shrink with the threshold: where no pixel has a level in between, two are the same and computed once.

    Args:
        levels: [H,W] from ``sweep.threshold_levels``.
        target: the ground truth.
        thresholds: the indices k.

    Returns:
        The distances by k.
    """
    corners = Corners(levels)
    below = np.bincount(levels.ravel(), minlength=256).cumsum()  # pixels of level k or less
    results: dict[int, SurfaceDistance] = {}
    last_area, last = -1, SurfaceDistance(np.nan, np.nan)
    for k in sorted(thresholds):
        if below[k] != last_area:
            last_area, last = below[k], target.distance(corners.surface(k))
        results[k] = last
    return results


def outlier_distance(shape: tuple[int, int], empty: str) -> float:
    """Distance that counts where exactly one mask is empty.

    Args:
        shape: (height, width) of the image, pixels.
        empty: the rule, image "diagonal" or (reference code) "width".

    Raises:
        ValueError: for any other rule.
    """
    if empty not in ("diagonal", "width"):
        raise ValueError(f"empty must be 'diagonal' or 'width'; received {empty!r}")
    return float(np.hypot(*shape)) if empty == "diagonal" else float(shape[1])
