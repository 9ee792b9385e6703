"""Local width of a crack across the photograph itself, where it is darker than what is beside it.

A segmentation network answers with a blob as wide as the masks that it learned from; the photograph has the edges.
Profiles are averaged along the crack, as texture is not, and a profile that texture drowns gives no width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from metrics.widths import CENTRING, STEP, Points, Widths, between_edges, profiles

ALONG = 2.0  # px, deviation of the Gaussian that averages profiles along the crack
GAP = 1.5  # px, between the edge that the map tells and what counts as background
BACKGROUND = 6.0  # px of it on either side
TAILS = 0.75  # of the width, from the middle: a Gaussian has fallen to 12% there
LEAST_CONTRAST = 3.0  # deviations of the background
MAD = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


def widths_in_grey(grey: NDArray, line: Points, half: float) -> Widths:
    """Widths at the points of a line, midway between the dark inside and the background on either side.

    Args:
        grey: brightness [H,W].
        line: centreline [N,2], smooth, two points or more.
        half: about half the width of the crack, as a map tells it: the darkest place is looked for within it, and the
            background beyond.

    Returns:
        NaN where the crack is not darker than its surroundings by three of their deviations.
    """
    first = _widths(grey, line, half, half)
    known = np.isfinite(first.middle)
    if not known.any():
        return first
    # a blur's tails are no background: it begins where they end, which the first widths tell
    return _widths(grey, line, half, max(half, TAILS * float(np.median(first.middle[known]))))


def _widths(grey: NDArray, line: Points, half: float, beyond: float) -> Widths:
    """The widths, with the background ``beyond`` that distance and GAP."""
    near = max(half, CENTRING)
    outside = max(near, beyond) + GAP
    bright, offsets, inside = profiles(grey, line, outside + BACKGROUND)
    values = ndimage.gaussian_filter1d(-bright, ALONG, axis=0, mode="nearest")
    within = np.abs(offsets) <= near
    level = ndimage.uniform_filter1d(values, 2 * round(max(0.5, near / 3) / STEP / 2) + 1, axis=1, mode="nearest")
    centre = np.flatnonzero(within)[0] + np.where(inside, level, -np.inf)[:, within].argmax(1)
    summit = np.take_along_axis(level, centre[:, None], 1)
    beside, clear = [], np.ones(len(line), bool)
    for side in (offsets < -outside, offsets > outside):
        shown = inside[:, side]
        seen = shown.mean(1) >= 0.5  # else what is beside the crack is not in the photograph
        surface = values[:, side]
        if not shown.all():
            surface = np.where(shown, surface, np.nan)
            surface[~seen] = 0.0
        median = np.median if shown.all() else np.nanmedian
        background = median(surface, axis=1, keepdims=True)
        deviation = MAD * median(np.abs(surface - background), axis=1)
        clear &= seen & ((summit - background)[:, 0] > LEAST_CONTRAST * deviation)
        beside.append(background)
    found = between_edges(values, inside, centre, beside, summit)
    return Widths(np.where(clear, found.middle, np.nan), np.where(clear, found.spread, np.nan))
