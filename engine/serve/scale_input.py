"""The scale of a photograph from what is typed into the page."""

from __future__ import annotations

import math
import re

from contracts.errors import UserError
from metrics.scale import Scale

UNKNOWN, PER_PIXEL, REFERENCE = "not known", "mm per pixel", "a known length"
WAYS = (UNKNOWN, PER_PIXEL, REFERENCE)
CLICK = 1.0  # px, standard uncertainty of a point that was read off a screen


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
    (left, top), (right, bottom) = (_point(text, name, size) for text, name in ((first, "A"), (second, "B")))
    distance = math.hypot(right - left, bottom - top)
    if distance < 10 * CLICK:
        raise UserError(f"Points A and B are {distance:.1f} px apart; choose some that are 10 px apart or more.")
    relative = math.sqrt(2) * CLICK / distance
    return Scale(known / distance, relative, f"{known:g} mm over {distance:.1f} px, points read to {CLICK:g} px")


def _positive(value: float | None, what: str) -> float:
    if value is None or not 0 < value < math.inf:
        raise UserError(f"Give {what}, a number above 0.")
    return float(value)


def _point(text: str, name: str, size: tuple[int, int]) -> tuple[float, float]:
    """x and y of "x,y"."""
    numbers = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[,;\s]\s*(\d+(?:\.\d+)?)\s*", text or "")
    if numbers is None:
        raise UserError(f"Give point {name} as x,y in pixels, such as 120,85.")
    x, y = float(numbers[1]), float(numbers[2])
    if x > size[1] or y > size[0]:
        raise UserError(f"Point {name} lies outside the photograph, which is {size[1]} px wide and {size[0]} px high.")
    return x, y
