"""How long, how wide, in which direction: the cracks of a mask or probability map, in pixels and with uncertainties.

Widths are taken across the centreline where a profile is midway between crack and background (``metrics.widths``);
where no profile has both its edges, from the distance to the nearest edge, which is named. Each uncertainty is a
standard one, of the measurement on these pixels alone: how well the mask tells the crack is not in it, nor a blur that
is wider than the crack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from metrics.branches import EIGHT, Branch, branches_of
from metrics.widths import SMOOTHING, Points, distance_to_end, smoothed, tangents, widths_across

LEAST_AREA = 12  # px; below it a region has no shape to speak of
LEAST_LENGTH = 5.0  # px
WINDOW = 5  # points that are averaged: on the pixel grid of a mask single widths jump
GRID = 1 / math.sqrt(12)  # px, standard deviation of an edge on the pixel grid
FLOOR = 0.1  # px: what the mean width of drawn cracks was wrong by (docs/geometry.md)
PROFILE, DISTANCE = "profile", "distance"


@dataclass(frozen=True)
class Figure:
    """A measured value and its standard uncertainty, in the same unit."""

    value: float
    uncertainty: float

    def times(self, factor: float, relative: float = 0.0) -> Figure:
        """The figure in another unit, such as mm.

        Args:
            factor: units for each of this one.
            relative: standard uncertainty of the factor, relative.
        """
        value = self.value * factor
        return Figure(value, math.hypot(self.uncertainty * factor, relative * value))


@dataclass(frozen=True)
class Crack:
    """One connected region. Lengths and widths are in pixels; None where ``reason`` says why.

    Attributes:
        area: pixels.
        box: top, left, bottom, right, the last two behind the region.
        length: of all its branches, to the ends of the crack.
        mean_width, p95_width, max_width: over the points of its centrelines.
        widest: row and column of the maximum.
        orientation: degrees in [0, 180), counter-clockwise from the right, of the longest axis of its centrelines.
        branches, junctions: numbers.
        method: "profile" or "distance".
        lines: smooth centrelines, rows and columns [N,2] each.
        widths: local width at their points [N] each, NaN where it was not measured.
        reason: why nothing but the area was measured, "" otherwise.
    """

    area: int
    box: tuple[int, int, int, int]
    length: Figure | None = None
    mean_width: Figure | None = None
    p95_width: Figure | None = None
    max_width: Figure | None = None
    widest: tuple[float, float] | None = None
    orientation: float | None = None
    branches: int = 0
    junctions: int = 0
    method: str = PROFILE
    lines: tuple[Points, ...] = ()
    widths: tuple[NDArray[np.float64], ...] = ()
    reason: str = ""


def measure(profile: NDArray[np.floating] | NDArray[np.bool_], threshold: float = 0.5) -> list[Crack]:
    """Measure every crack.

    Args:
        profile: probability map [H,W] in [0, 1], or a mask.
        threshold: above which a pixel is crack.

    Returns:
        The regions (eight neighbours), the largest first.

    Raises:
        ValueError: for another shape.
        UserError: without skan.
    """
    if profile.ndim != 2:
        raise ValueError(f"a map [H,W] is measured; received {list(profile.shape)}")
    labels, count = ndimage.label(np.asarray(profile) > threshold, EIGHT)
    boxes = ndimage.find_objects(labels)
    values = np.asarray(profile, np.float64)
    cracks = [_measured(values, labels, number, boxes[number - 1]) for number in range(1, count + 1)]
    return sorted(cracks, key=lambda crack: -crack.area)


def _measured(profile: Points, labels: NDArray[np.int32], number: int, box: tuple[slice, slice]) -> Crack:
    """One region, with as much around it as its background needs; other regions there are taken for background."""
    rows, columns = box
    region = labels[box] == number
    area, corners = int(region.sum()), (rows.start, columns.start, rows.stop, columns.stop)
    if area < LEAST_AREA:
        return Crack(area, corners, reason=f"below {LEAST_AREA} px")
    half = float(ndimage.distance_transform_edt(np.pad(region, 1)).max())
    reach = 2.5 * half + 3  # from the middle of a blunt end beyond its edge
    margin = math.ceil(reach) + 1
    top, left = max(0, rows.start - margin), max(0, columns.start - margin)
    around = slice(top, rows.stop + margin), slice(left, columns.stop + margin)
    mine = labels[around] == number
    values = np.where(mine | (labels[around] == 0), profile[around], 0.0)
    branches = branches_of(mine)
    lines = [smoothed(branch.path.astype(np.float64)) for branch in branches]
    length = _length(values, branches, lines, reach)
    if length.value < LEAST_LENGTH:
        return Crack(area, corners, reason=f"shorter than {LEAST_LENGTH:g} px")
    radius = ndimage.distance_transform_edt(np.pad(mine, 1))[1:-1, 1:-1]
    middle, spread, method = _local_widths(values, radius, branches, lines, reach)
    mean, p95, largest, widest = _summary(middle, spread, lines)
    offset = np.array([top, left])
    joints = {
        tuple(branch.path[index])
        for branch in branches
        if not branch.closed
        for index in (0, -1)
        if not branch.free[index]
    }
    return Crack(
        area,
        corners,
        length,
        mean,
        p95,
        largest,
        (float(widest[0] + top), float(widest[1] + left)),
        orientation_of(lines),
        len(branches),
        len(joints),
        method,
        tuple(line + offset for line in lines),
        tuple(middle),
    )


def _length(values: Points, branches: Sequence[Branch], lines: Sequence[Points], reach: float) -> Figure:
    """Of all lines, with what the crack goes on beyond their free ends."""
    total, ends = 0.0, 0
    for branch, line in zip(branches, lines, strict=True):
        total += float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
        along = tangents(line)
        for index, sign in ((0, -1.0), (-1, 1.0)):
            if branch.free[index]:
                total += distance_to_end(values, line[index], sign * along[index], reach)
                ends += 1
    return Figure(total, math.hypot(math.sqrt(ends) * 2 * GRID, 0.005 * total))


def _local_widths(
    values: Points, radius: Points, branches: Sequence[Branch], lines: Sequence[Points], reach: float
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], str]:
    """Width and its spread at the points of lines, NaN near ends and junctions, where normals leave the branch."""
    middle, spread = [], []
    for branch, line in zip(branches, lines, strict=True):
        found = widths_across(values, line, reach)
        position = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        first, last = (radius[tuple(branch.path[index])] + 1 for index in (0, -1))
        kept = (position >= first) & (position <= position[-1] - last) | branch.closed
        middle.append(np.where(kept, found.middle, np.nan))
        spread.append(np.where(kept, found.spread, np.nan))
    if any(np.isfinite(width).any() for width in middle):
        return middle, spread, PROFILE
    # a distance is to the centre of the nearest pixel outside, half a pixel behind the edge
    middle = [2 * radius[tuple(branch.path.T)] - 1 for branch in branches]
    return middle, [np.full(len(width), GRID) for width in middle], DISTANCE


def _summary(
    middle: Sequence[NDArray[np.float64]], spread: Sequence[NDArray[np.float64]], lines: Sequence[Points]
) -> tuple[Figure, Figure, Figure, Points]:
    """Mean, 95th percentile and maximum of the width, and where the maximum is."""
    widths, spreads = np.concatenate([running_mean(width) for width in middle]), np.concatenate(spread)
    known = np.isfinite(widths)
    told = spreads[known & np.isfinite(spreads)]  # beside a junction an outer level may have no edge
    uncertain = float(told.mean()) if len(told) else GRID
    independent = max(1.0, known.sum() / (2 * SMOOTHING))
    scatter = float(widths[known].std()) / math.sqrt(independent)
    mean = Figure(float(widths[known].mean()), math.sqrt(uncertain**2 + scatter**2 + FLOOR**2))
    at = int(np.nanargmax(widths))
    local = math.hypot(uncertain, GRID)
    p95 = Figure(float(np.percentile(widths[known], 95)), local)
    return mean, p95, Figure(float(widths[at]), local), np.concatenate(lines)[at]


def running_mean(width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of WINDOW points; NaN where the point itself is."""
    padded = np.pad(width, WINDOW // 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    result = np.full(len(width), np.nan)
    known = np.isfinite(width)
    result[known] = np.nanmean(windows[known], axis=1)
    return result


def orientation_of(lines: Sequence[Points]) -> float:
    """Direction in which the centrelines reach farthest, degrees in [0, 180)."""
    points = np.concatenate(lines)
    centred = points - points.mean(0)
    rows, columns = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    return math.degrees(math.atan2(-rows, columns)) % 180


def total_length(cracks: Sequence[Crack]) -> Figure:
    """Of all cracks that have one."""
    lengths = list(_lengths(cracks))
    return Figure(sum(length.value for length in lengths), math.hypot(*(length.uncertainty for length in lengths), 0.0))


def _lengths(cracks: Sequence[Crack]) -> Iterator[Figure]:
    return (crack.length for crack in cracks if crack.length is not None)
