"""How long, how wide, in which direction: the cracks of a mask or probability map, in pixels and with uncertainties.

Widths are taken across the centreline where a profile, of the photograph or of the map, is midway between crack and
background; where none has both its edges, from the distance to the nearest edge (``metrics.local_widths``). Each
uncertainty is a standard one, of the measurement on these pixels alone: how well the mask tells the crack is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from metrics.branches import EIGHT, Branch, branches_of
from metrics.figure import Figure
from metrics.grey_widths import BACKGROUND, GAP
from metrics.local_widths import GRID, PROFILE, local_widths, summary
from metrics.widths import Points, distance_to_end, smoothed, tangents

LEAST_AREA = 12  # px; below it a region has no shape to speak of
LEAST_LENGTH = 5.0  # px


@dataclass(frozen=True)
class Crack:
    """One connected region. Lengths and widths are in pixels; None where ``reason`` says why.

    Attributes:
        area: pixels; of an enlarged image (``metrics.enlarged``) a share of them.
        box: top, left, bottom, right, the last two behind the region.
        length: of all its branches, to the ends of the crack.
        mean_width, p95_width, max_width: over the points of its centrelines.
        widest: row and column of the maximum.
        orientation: degrees in [0, 180), counter-clockwise from the right, of the longest axis of its centrelines.
        branches, junctions: numbers.
        method: of the widths: "grey", "profile" or "distance", as of ``metrics.local_widths.Local``.
        lines: smooth centrelines, rows and columns [N,2] each.
        widths: local width at their points [N] each, NaN where it was not measured.
        reason: why nothing but the area was measured, "" otherwise.
    """

    area: float
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


def measure(
    profile: NDArray[np.floating] | NDArray[np.bool_], threshold: float = 0.5, grey: NDArray[np.number] | None = None
) -> list[Crack]:
    """Measure every crack.

    Args:
        profile: probability map [H,W] in [0, 1], or a mask.
        threshold: above which a pixel is crack.
        grey: brightness of the photograph [H,W]: widths are then taken across it where it shows the crack dark enough;
            None: across the map.

    Returns:
        The regions (eight neighbours), the largest first.

    Raises:
        ValueError: for another shape.
        UserError: without skan.
    """
    if profile.ndim != 2:
        raise ValueError(f"a map [H,W] is measured; received {list(profile.shape)}")
    if grey is not None and grey.shape != profile.shape:
        raise ValueError(f"grey is {list(grey.shape)}; give the size of the map, {list(profile.shape)}")
    labels, count = ndimage.label(np.asarray(profile) > threshold, EIGHT)
    boxes = ndimage.find_objects(labels)
    cracks = [_measured(np.asarray(profile), grey, labels, number, boxes[number - 1]) for number in range(1, count + 1)]
    return sorted(cracks, key=lambda crack: -crack.area)


def _measured(
    profile: NDArray, grey: NDArray | None, labels: NDArray[np.int32], number: int, box: tuple[slice, slice]
) -> Crack:
    """One region, with as much around it as its background needs; other regions there are taken for background."""
    rows, columns = box
    region = labels[box] == number
    area, corners = int(region.sum()), (rows.start, columns.start, rows.stop, columns.stop)
    if area < LEAST_AREA:
        return Crack(area, corners, reason=f"below {LEAST_AREA} px")
    inner = radius_of(region)
    half = float(inner.max())
    reach, margin = reach_of(half), margin_of(half)
    top, left = max(0, rows.start - margin), max(0, columns.start - margin)
    around = slice(top, rows.stop + margin), slice(left, columns.stop + margin)
    mine = labels[around] == number
    values = np.where(mine | (labels[around] == 0), profile[around], 0).astype(np.float32)
    radius = np.zeros(mine.shape, np.float32)
    radius[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inner
    branches = branches_of(mine, radius)
    lines = [smoothed(branch.path.astype(np.float64)) for branch in branches]
    length = _length(values, branches, lines, reach)
    if length.value < LEAST_LENGTH:
        return Crack(area, corners, reason=f"shorter than {LEAST_LENGTH:g} px")
    local = local_widths(values, None if grey is None else grey[around], radius, branches, lines, reach)
    mean, p95, largest, widest = summary(local, lines)
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
        local.method,
        tuple(line + offset for line in lines),
        local.middle,
    )


def radius_of(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance [H,W] of a region's pixels to the nearest pixel outside, beyond the border as well; 0 outside."""
    padded = np.pad(region, 1).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1], np.float32)


def reach_of(half: float) -> float:
    """How far edges and ends are looked for from the centreline of a crack of that half width, pixels."""
    return 2.5 * half + 3  # from the middle of a blunt end beyond its edge


def margin_of(half: float) -> int:
    """How many pixels around a crack of that half width count for its figures."""
    return math.ceil(max(reach_of(half), 1.5 * half + GAP + BACKGROUND)) + 1


def _length(values: NDArray[np.floating], branches: Sequence[Branch], lines: Sequence[Points], reach: float) -> Figure:
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
