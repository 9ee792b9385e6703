"""The widths along a crack, and what they say of it: mean, 95th percentile, maximum, with uncertainties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.blurred_bar import from_shape, without_blur
from metrics.branches import Branch
from metrics.figure import Figure
from metrics.grey_widths import widths_in_grey
from metrics.widths import SMOOTHING, Points, Widths, widths_across

WINDOW = 5  # points that are averaged: on the pixel grid of a mask single widths jump
GRID = 1 / math.sqrt(12)  # px, standard deviation of an edge on the pixel grid
GRID_BLUR = 0.5  # px: of a pixel's square (1/12) and of interpolating linearly between pixels (1/6), in quadrature
SHAPE_MARGIN = 1.08  # grain makes profiles look sharper by that, and the shapes of thin cracks differ by less
UNKNOWN = 0.6  # of the width of a profile that has the shape of a point's
HARDLY, TOLD = 2.0, 2.5  # px: profiles up to two pixels wide may be of any thinner crack that lies along the pixels
BETWEEN = 0.5  # px, how far a distance is wrong
FLOOR = 0.1  # px: what the mean width of drawn cracks was wrong by (docs/geometry.md)
GREY, PROFILE, DISTANCE = "grey", "profile", "distance"
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Local:
    """Widths at the points of a crack's lines, pixels, NaN where there are none.

    Attributes:
        middle: for each line [N], without what the pixel grid adds.
        raw: likewise, with it.
        spread: likewise, half the difference between the outer levels.
        method: "grey" (across the photograph), "profile" (across the map) or "distance" (to the nearest edge).
    """

    middle: tuple[Values, ...]
    raw: tuple[Values, ...]
    spread: tuple[Values, ...]
    method: str


def local_widths(
    values: NDArray[np.floating],
    grey: NDArray | None,
    radius: NDArray[np.floating],
    branches: Sequence[Branch],
    lines: Sequence[Points],
    reach: float,
) -> Local:
    """Widths at the points of lines, except near ends and junctions, where normals leave the branch.

    Args:
        values: map [H,W], high in the crack.
        grey: brightness [H,W], or None.
        radius: distance of the crack's pixels to its edge [H,W].
        branches: of the crack.
        lines: the same, smooth.
        reach: how far an edge may be, pixels.
    """
    kept = [_kept(branch, line, radius) for branch, line in zip(branches, lines, strict=True)]
    found = [widths_across(values, line, reach) for line in lines]
    binary = bool(np.isin(values, (0, 1)).all())
    sigma = 0.0 if binary else GRID_BLUR  # a mask has lost what lies within its pixels
    across = _local(found, kept, sigma, PROFILE)
    if not any(np.isfinite(width).any() for width in across.middle):
        # a distance is to the centre of the nearest pixel outside; the middle may lie between two pixels
        twice = tuple(2 * radius[tuple(branch.path.T)].astype(np.float64) - 0.5 for branch in branches)
        return Local(twice, twice, tuple(np.full(len(width), BETWEEN) for width in twice), DISTANCE)
    if grey is not None:
        half = float(np.nanmedian(np.concatenate(across.middle))) / 2
        dark = _local([widths_in_grey(grey, line, half) for line in lines], kept, GRID_BLUR, GREY)
        if np.isfinite(np.concatenate(dark.middle)).sum() >= np.concatenate(kept).sum() / 2:
            return dark
    return across


def _local(found: Sequence[Widths], kept: Sequence[NDArray[np.bool_]], sigma: float, method: str) -> Local:
    """Widths where they count, freed of a blur."""
    raw = tuple(np.where(at, width.middle, np.nan) for width, at in zip(found, kept, strict=True))
    middle = tuple(without_blur(width, sigma) for width in raw) if sigma else raw
    return Local(middle, raw, tuple(np.where(at, w.spread, np.nan) for w, at in zip(found, kept, strict=True)), method)


def _kept(branch: Branch, line: Points, radius: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The points [N] farther from the line's ends than the crack is wide there."""
    position = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    first, last = (radius[tuple(branch.path[index])] + 1 for index in (0, -1))
    return (position >= first) & (position <= position[-1] - last) | branch.closed


def summary(local: Local, lines: Sequence[Points]) -> tuple[Figure, Figure, Figure, Points]:
    """Mean, 95th percentile and maximum of the width, and where the maximum is.

    Args:
        local: the widths at points of lines.
        lines: rows and columns [N,2] each.
    """
    widths, raw = (np.concatenate([running_mean(w) for w in part]) for part in (local.middle, local.raw))
    spreads = np.concatenate([running_mean(spread) for spread in local.spread])
    known = np.isfinite(widths)
    told = spreads[known & np.isfinite(spreads)]  # a profile may cross the middle level and not the outer ones
    uncertain = float(told.mean()) if len(told) else GRID
    spreads = np.where(np.isfinite(spreads), spreads, uncertain)
    independent = max(1.0, known.sum() / (2 * SMOOTHING))
    scatter = float(widths[known].std()) / math.sqrt(independent)
    middle = float(widths[known].mean())
    blurred = _unresolved(middle, float(raw[known].mean()), uncertain)
    mean = Figure(middle, math.hypot(uncertain, scatter, FLOOR, blurred))
    at = int(np.nanargmax(widths))
    p95, largest = (
        Figure(value, math.hypot(uncertain, GRID, _unresolved(value, wide, spread)))
        for value, wide, spread in (
            (float(np.percentile(widths[known], 95)), float(np.percentile(raw[known], 95)), uncertain),
            (float(widths[at]), float(raw[at]), float(spreads[at])),
        )
    )
    return mean, p95, largest, np.concatenate(lines)[at]


def _unresolved(width: float, raw: float, spread: float) -> float:
    """What a profile does not tell of a width, pixels: by how much a blur may have widened it, and where in its pixels
    it lies.

    Args:
        width: without what the pixel grid adds.
        raw: with it.
        spread: half the difference between the outer levels.
    """
    blurred = max(0.0, width - from_shape(raw, SHAPE_MARGIN * spread))
    thin = UNKNOWN * raw * min(1.0, max(0.0, (TOLD - raw) / (TOLD - HARDLY)))
    return math.hypot(blurred, thin)


def running_mean(width: Values) -> Values:
    """Of WINDOW points; NaN where the point itself is."""
    padded = np.pad(width, WINDOW // 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    result = np.full(len(width), np.nan)
    known = np.isfinite(width)
    result[known] = np.nanmean(windows[known], axis=1)
    return result
