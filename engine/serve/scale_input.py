"""The scale of a photograph from what is typed into the page."""

from __future__ import annotations

import math
import re

from contracts.errors import ArgumentError, UserError
from metrics.scale import Scale, scale_between

UNKNOWN, PER_PIXEL, REFERENCE = "not known", "mm per pixel", "a known length"
WAYS = (UNKNOWN, PER_PIXEL, REFERENCE)


def scale_of(
    size: tuple[int, int], way: str, per_pixel: float | None, length: float | None, first: str, second: str
) -> Scale | None:
    """The scale, or None where none is known.

    Args:
        size: height and width of the photograph, pixels.
        way: one of ``WAYS``; the other values count for theirs alone.
        per_pixel: mm per pixel.
        length: mm between two points.
        first: one of them, "x,y" in pixels of the photograph from its upper left corner.
        second: the other.

    Raises:
        UserError: in words for the page.
    """
    if way == UNKNOWN:
        return None
    if way == PER_PIXEL:
        return Scale(_positive(per_pixel, "the millimetres per pixel"), origin="as given, taken as exact")
    known = _positive(length, "the known length in mm")
    try:
        return scale_between(_point(first, "A"), _point(second, "B"), known, size)
    except ArgumentError as error:
        raise UserError(f"Points A and B: {error}.") from None


def _positive(value: float | None, what: str) -> float:
    if value is None or not 0 < value < math.inf:
        raise UserError(f"Give {what}, a number above 0.")
    return float(value)


def _point(text: str, name: str) -> tuple[float, float]:
    """x and y of "x,y"."""
    numbers = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[,;\s]\s*(\d+(?:\.\d+)?)\s*", text or "")
    if numbers is None:
        raise UserError(f"Give point {name} as x,y in pixels, such as 120,85.")
    return float(numbers[1]), float(numbers[2])
