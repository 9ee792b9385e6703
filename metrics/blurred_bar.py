"""What a blur does to the width of a crack: the profile of a bar under a Gaussian, midway up and beside it.

A bar of width w under a Gaussian of deviation s has the profile (erf((w/2 - x)/t) + erf((w/2 + x)/t))/2, t = s sqrt 2.
Its width midway up is w as long as w is above about 4 s, and never below 2.355 s. How much wider the profile is at 40%
than at 60% of its height tells both apart without knowing s: a seventh of the width for a crack that is thinner than
its blur, next to nothing for a sharp one.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

LEVELS = (0.4, 0.5, 0.6)  # of the way from background to crack: the middle, and what tells the blur
SAMPLES = 400  # of the ratio w/s in tables, and of each profile's half
LEAST, MOST = 0.02, 30.0  # ratio w/s
UNRESOLVED = 1.0  # ratio that stands for all below 2, whose profiles differ by less than 2% in shape

Values = NDArray[np.float64]


@cache
def _tables() -> tuple[Values, Values, Values]:
    """Ratios w/s, the width midway up in units of s, and half the difference between the outer levels likewise."""
    ratios = np.geomspace(LEAST, MOST, SAMPLES)
    half = ratios[:, None] / 2
    position = np.linspace(0, 1, 4 * SAMPLES) * (half + 4)  # [ratios, positions] in units of s
    profile = (erf((half - position) / np.sqrt(2)) + erf((half + position) / np.sqrt(2))) / 2
    profile /= profile[:, :1]
    low, middle, high = (
        np.array([2 * np.interp(-level, -row, places) for row, places in zip(profile, position, strict=True)])
        for level in LEVELS
    )
    return ratios, middle, (low - high) / 2


def without_blur(width: Values | float, sigma: float) -> Values:
    """The width of the bar whose profile is so wide midway up.

    Args:
        width: midway up, any shape, pixels.
        sigma: deviation of the blur, pixels; positive.

    Returns:
        Widths of the same shape. A profile narrower than that of a bar as wide as ``sigma`` tells no width: of it the
        same share is returned as of that one's (0.41).
    """
    ratios, middle, _ = _tables()
    scaled = np.asarray(width, np.float64) / sigma
    least = float(np.interp(UNRESOLVED, ratios, middle))
    found = np.where(scaled < least, scaled * UNRESOLVED / least, np.interp(scaled, middle, ratios))
    return np.where(scaled > middle[-1], scaled, found) * sigma


def from_shape(width: float, spread: float) -> float:
    """The width of the bar whose profile has these widths, whatever its blur.

    Args:
        width: midway up, pixels.
        spread: half the difference between the widths at the outer of ``LEVELS``.

    Returns:
        Its width in pixels: ``width`` for the profile of a sharp bar, 0.41 of it for that of a blur, whose bar may have
        any width from 0 to 0.7 of it.
    """
    ratios, middle, spreads = _tables()
    if width <= 0 or spread <= 0:
        return max(width, 0.0)
    shape = spreads / middle  # falls as the bar grows wider
    ratio = float(np.interp(-spread / width, -shape, ratios, left=UNRESOLVED, right=np.inf))
    if np.isinf(ratio):
        return width
    return float(max(ratio, UNRESOLVED) * width / np.interp(max(ratio, UNRESOLVED), ratios, middle))
