"""Local width of a crack across its direction, to a fraction of a pixel, and the direction itself.

The width is where the profile along the normal crosses the level midway between crack and background: of a blurred
edge that level stays where the edge was, and of a binary mask it lies between pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from metrics.blurred_bar import LEVELS

SMOOTHING = 3.0  # px along the path: staircases of skeletons are gone, bends of cracks are not
ROUNDING = 1e-6  # px
STEP = 0.25  # px between samples of a profile
CLEAR = 1.5  # px beyond an edge that have to be in the image: else its background may not be
SAME = 0.2  # of the crack's height, by which backgrounds on both sides may differ where the border cuts one short
CENTRING = 1.5  # px to each side in which the profile's summit is looked for

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Widths:
    """Widths at the points of a path [N], pixels, NaN where the profile has no edge to one side.

    Attributes:
        middle: at the middle level.
        spread: half the difference between the widths at the outer of ``LEVELS``.
    """

    middle: NDArray[np.float64]
    spread: NDArray[np.float64]


def smoothed(path: Points) -> Points:
    """A pixel path [N,2] as a smooth line through it that keeps its ends.

    Args:
        path: rows and columns, neighbours one step apart.
    """
    count = len(path)
    reach = min(count - 1, round(4 * SMOOTHING))
    if reach < 1:
        return path.astype(np.float64)
    before, after = 2 * path[0] - path[reach:0:-1], 2 * path[-1] - path[-2 : -reach - 2 : -1]
    line = np.concatenate([before, path, after]).astype(np.float64)
    return ndimage.gaussian_filter1d(line, SMOOTHING, axis=0, mode="nearest")[reach : reach + count]


def tangents(line: Points) -> Points:
    """Unit vectors [N,2] along a smooth line of two points or more."""
    along = np.gradient(line, axis=0)
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)


def widths_across(profile: NDArray[np.floating], line: Points, reach: float) -> Widths:
    """Widths at the points of a line.

    Args:
        profile: [H,W], high in cracks: a mask or a probability map.
        line: [N,2] rows and columns, smooth, two points or more.
        reach: how far an edge may be, pixels.
    """
    values, offsets, inside = profiles(profile, line, reach)
    near = np.abs(offsets) <= CENTRING
    centre = np.flatnonzero(near)[0] + np.where(inside, values, -np.inf)[:, near].argmax(1)
    summit = np.take_along_axis(values, centre[:, None], 1)
    columns = np.arange(len(offsets))
    sides = columns <= centre[:, None], columns >= centre[:, None]
    beside = [np.where(side & inside, values, np.inf).min(1, keepdims=True) for side in sides]
    lowest = np.minimum(*beside)
    for low, side in zip(beside, sides, strict=True):
        cut = (side & ~inside).any(1, keepdims=True)  # by the border, maybe before the background
        low[cut & (low - lowest > SAME * (summit - lowest))] = np.nan
    return between_edges(values, inside, centre, beside, summit)


def profiles(
    image: NDArray[np.floating], line: Points, reach: float
) -> tuple[Points, NDArray[np.float64], NDArray[np.bool_]]:
    """Values across a line.

    Args:
        image: [H,W]; beyond its border its last pixels go on.
        line: [N,2] rows and columns, smooth, two points or more.
        reach: to either side, pixels.

    Returns:
        Values [N,T]; the offsets from the line [T] that they stand at, STEP apart and 0 in the middle; which values
        [N,T] lie within the image.
    """
    along = tangents(line)
    normals = np.stack([-along[:, 1], along[:, 0]], 1)
    offsets = np.arange(-np.ceil(reach / STEP), np.ceil(reach / STEP) + 1) * STEP
    positions = line[:, None] + offsets[None, :, None] * normals[:, None]
    spots = positions.reshape(-1, 2).T
    values = ndimage.map_coordinates(image, spots, output=np.float64, order=1, mode="nearest")  # without a copy of it
    inside: NDArray[np.bool_] = np.all(
        (positions >= -ROUNDING) & (positions <= np.array(image.shape) - 1 + ROUNDING), axis=-1
    )
    return values.reshape(inside.shape), offsets, inside


def between_edges(
    values: Points, inside: NDArray[np.bool_], centre: NDArray[np.intp], beside: Sequence[Points], summit: Points
) -> Widths:
    """Widths between where profiles cross the ``LEVELS`` to either side, NaN where that is at the image's border.

    Args:
        values: [N,T], samples STEP apart.
        inside: which of them lie within the image [N,T].
        centre: sample [N] inside the crack to begin at.
        beside: background [N,1] on the left and on the right.
        summit: [N,1], what the crack's inside is.
    """
    columns, at = np.arange(values.shape[1]), centre[:, None]
    room = [(inside & side).sum(1) - 1 - CLEAR / STEP for side in (columns <= at, columns >= at)]
    found = []
    for share in LEVELS:
        edges = [
            _crossing(values, centre, low + share * (summit - low), direction)
            for low, direction in zip(beside, (-1, 1), strict=True)
        ]
        edges = [np.where(edge <= most, edge, np.nan) for edge, most in zip(edges, room, strict=True)]
        found.append((edges[0] + edges[1]) * STEP)
    return Widths(found[1], np.abs(found[0] - found[2]) / 2)


def _crossing(values: Points, centre: NDArray[np.intp], level: Points, direction: int) -> NDArray[np.float64]:
    """Samples from the centre [N] to where the values [N,T] first fall below the level [N,1]; NaN where they do not."""
    count = values.shape[1]
    steps = np.arange(count)
    index = centre[:, None] + direction * steps
    inside = (index >= 0) & (index < count)
    ahead = np.where(inside, np.take_along_axis(values, index.clip(0, count - 1), 1), np.inf)
    below = ahead < level
    first = below.argmax(1)
    rows = np.arange(len(values))
    after, before = ahead[rows, first], ahead[rows, np.maximum(first - 1, 0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = first - 1 + (before - level[:, 0]) / (before - after)
    return np.where(below.any(1) & (first > 0), distance, np.nan)


def distance_to_end(profile: NDArray[np.floating], end: Points, direction: Points, reach: float) -> float:
    """How far a crack goes on from the end of its centreline, pixels; 0 where the end is not inside it.

    Args:
        profile: as of ``widths_across``.
        end: row and column [2].
        direction: unit vector [2] out of the line.
        reach: the farthest.
    """
    offsets = np.arange(0, reach + STEP, STEP)
    spots = end[:, None] + offsets * direction[:, None]
    values = ndimage.map_coordinates(profile, spots, output=np.float64, order=1, mode="constant")
    level = np.array([[(values[0] + values.min()) / 2]])
    distance = _crossing(values[None], np.array([0]), level, 1)[0]
    return 0.0 if np.isnan(distance) else float(distance * STEP)
