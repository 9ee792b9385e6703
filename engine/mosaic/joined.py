"""A crack of many blocks, put together from what was measured in each: nothing counts twice, nothing is cut."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from engine.mosaic.rasters import Window
from metrics.figure import Figure
from metrics.geometry import Crack, orientation_of
from metrics.local_widths import FLOOR, GRID, running_mean
from metrics.widths import SMOOTHING, Points, distance_to_end, tangents

NEAR = 1.0  # px: lines of two blocks that end so near to each other on their border are one


@dataclass(frozen=True)
class Stretch:
    """A centreline within a block.

    Attributes:
        line: rows and columns [N,2] in the raster.
        widths: at its points [N], averaged as for the figures, NaN where none was measured.
        spread: the mean spread of widths where it was measured.
        method: as of ``metrics.geometry.Crack``.
        beyond: pixels that the crack goes on behind its free ends.
        free: number of these.
        cut: whether its first and its last point are on the block's border.
        joint: its ends at junctions.
    """

    line: Points
    widths: NDArray[np.float64]
    spread: float
    method: str
    beyond: float
    free: int
    cut: tuple[bool, bool]
    joint: tuple[tuple[float, float], ...]


def stretches_of(
    found: Sequence[Crack], profile: Points, corner: tuple[int, int], block: Window, reach: float
) -> Iterator[Stretch]:
    """What lies within a block of the cracks that were measured in it and around it.

    Args:
        found: the cracks, in pixels of the profile.
        profile: that they were measured in.
        corner: its first row and column in the raster.
        block: rows and columns in the raster.
        reach: how far a crack may go on from the end of its centreline, pixels.
    """
    offset = np.array(corner, np.float64)
    low = np.array([block[0][0], block[1][0]]) - 0.5
    high = np.array([block[0][1], block[1][1]]) - 0.5
    for crack in found:
        if crack.p95_width is None:
            continue
        spread = math.sqrt(max(0.0, crack.p95_width.uncertainty**2 - GRID**2))
        ends = Counter(tuple(line[index]) for line in crack.lines for index in (0, -1))
        for line, widths in zip(crack.lines, crack.widths, strict=True):
            averaged, along = running_mean(widths), tangents(line)
            for first, last, placed in _within(line + offset, low, high):
                cut = (placed[0] is not None, placed[1] is not None)
                whole = (not cut[0] and first == 0, not cut[1] and last == len(line))
                beyond, free, joint = 0.0, 0, []
                for at, sign, there in ((0, -1.0, whole[0]), (-1, 1.0, whole[1])):
                    if there and ends[tuple(line[at])] == 1:
                        beyond += distance_to_end(profile, line[at], sign * along[at], reach)
                        free += 1
                    elif there and tuple(line[0]) != tuple(line[-1]):  # a loop by itself has no junction
                        joint.append(tuple(np.round(line[at] + offset, 3).tolist()))
                points = [point for point in (placed[0], *(line[first:last] + offset), placed[1]) if point is not None]
                inner = np.concatenate([[np.nan] * cut[0], averaged[first:last], [np.nan] * cut[1]])
                yield Stretch(np.array(points), inner, spread, crack.method, beyond, free, cut, tuple(joint))


def _within(line: Points, low: Points, high: Points) -> Iterator[tuple[int, int, tuple[Points | None, Points | None]]]:
    """The runs of a line's points in a box: first, one behind the last, and where the line crosses its border."""
    inside = np.concatenate([[False], ((line >= low) & (line < high)).all(1), [False]])
    turns = np.flatnonzero(inside[1:] != inside[:-1])
    for first, last in turns.reshape(-1, 2):
        before = None if first == 0 else _crossing(line[first], line[first - 1], low, high)
        after = None if last == len(line) else _crossing(line[last - 1], line[last], low, high)
        yield int(first), int(last), (before, after)


def _crossing(inner: Points, outer: Points, low: Points, high: Points) -> Points:
    """Where the way from a point in a box to one outside leaves it."""
    share = 1.0
    for axis in (0, 1):
        bound = low[axis] if outer[axis] < low[axis] else high[axis] if outer[axis] >= high[axis] else None
        if bound is not None:
            share = min(share, (bound - inner[axis]) / (outer[axis] - inner[axis]))
    return inner + share * (outer - inner)


def joined(stretches: Sequence[Stretch], area: int, box: tuple[int, int, int, int]) -> Crack:
    """The crack that stretches belong to, its figures made as ``metrics.geometry.measure`` makes them.

    Args:
        stretches: of all its blocks.
        area: its pixels.
        box: as of the crack.
    """
    if not stretches:
        return Crack(area, box, reason="no centreline")
    lines = _chained(stretches)
    total = sum(_length(stretch.line) + stretch.beyond for stretch in stretches)
    ends = sum(stretch.free for stretch in stretches)
    length = Figure(total, math.hypot(math.sqrt(ends) * 2 * GRID, 0.005 * total))
    junctions = len({joint for stretch in stretches for joint in stretch.joint})
    points_by: Counter[str] = Counter()
    for stretch in stretches:
        points_by[stretch.method] += int(np.isfinite(stretch.widths).sum())
    method = points_by.most_common(1)[0][0]  # one that holds for most of the crack, as widths of two are not alike
    used = [stretch for stretch in stretches if stretch.method == method]
    widths, points = (np.concatenate(parts) for parts in ([s.widths for s in used], [s.line for s in used]))
    known = np.isfinite(widths)
    crack = Crack(area, box, length, orientation=orientation_of(lines), branches=len(lines), junctions=junctions)
    crack = replace(crack, method=method, lines=tuple(lines))
    if not known.any():
        return crack
    counts = [int(np.isfinite(stretch.widths).sum()) for stretch in used]
    spread = float(np.average([stretch.spread for stretch in used], weights=counts))
    scatter = float(widths[known].std()) / math.sqrt(max(1.0, known.sum() / (2 * SMOOTHING)))
    local, at = math.hypot(spread, GRID), int(np.nanargmax(widths))
    return replace(
        crack,
        mean_width=Figure(float(widths[known].mean()), math.sqrt(spread**2 + scatter**2 + FLOOR**2)),
        p95_width=Figure(float(np.percentile(widths[known], 95)), local),
        max_width=Figure(float(widths[at]), local),
        widest=(float(points[at][0]), float(points[at][1])),
    )


def _length(line: Points) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _chained(stretches: Sequence[Stretch]) -> list[Points]:
    """Lines that go on from block to block."""
    ends = [(number, side) for number, one in enumerate(stretches) for side in (0, 1) if one.cut[side]]
    next_to: dict[tuple[int, int], tuple[int, int]] = {}
    if len(ends) > 1:
        places = np.array([stretches[number].line[-side] for number, side in ends])
        pairs = cKDTree(places).query_pairs(NEAR, output_type="ndarray")
        distance = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
        for a, b in pairs[np.argsort(distance, kind="stable")]:
            first, second = ends[a], ends[b]
            if first not in next_to and second not in next_to and first[0] != second[0]:
                next_to[first], next_to[second] = second, first
    lines, done = [], set()
    loose = [(number, side) for number in range(len(stretches)) for side in (0, 1) if (number, side) not in next_to]
    for start in (*loose, *next_to):  # what has no loose end is a loop
        chain, entry = [], start
        while entry[0] not in done:
            done.add(entry[0])
            line = stretches[entry[0]].line
            chain.append(line if entry[1] == 0 else line[::-1])
            entry = next_to.get((entry[0], 1 - entry[1]), entry)
        if chain:
            lines.append(np.concatenate(chain))
    return lines
