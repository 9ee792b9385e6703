"""How large a pixel is on the surface that was photographed, and how well that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contracts.errors import ArgumentError
from metrics.figure import Figure

CLICK = 1.0  # px, standard uncertainty of a point that a person names, in each direction
LEAST_APART = 10 * CLICK  # px; nearer ones would give the scale to 14% at best
Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """The size of a pixel.

    Attributes:
        mm_per_pixel: positive.
        relative: its standard uncertainty, relative (0.02: 2%).
        origin: where it is from, a phrase.
    """

    mm_per_pixel: float
    relative: float = 0.0
    origin: str = "given"

    def __post_init__(self) -> None:
        if not 0 < self.mm_per_pixel < math.inf:
            raise ArgumentError(f"mm_per_pixel {self.mm_per_pixel:g}: give a positive number")
        if not 0 <= self.relative <= 1:
            raise ArgumentError(f"relative {self.relative:g}: give the uncertainty of a scale from 0 to 1")

    def of(self, figure: Figure) -> Figure:
        """A length in pixels as millimetres, with the uncertainty of the scale in its own."""
        return figure.times(self.mm_per_pixel, self.relative)


def scale_between(
    first: Point, second: Point, mm: float, size: tuple[int, int] | None = None, relative: float = 0.0
) -> Scale:
    """The scale of two points and the length between them, each point known to ``CLICK`` in both directions.

    The distance of the points then has the standard uncertainty sqrt(2) * CLICK (GUM, 5.1.2: two ends, each with CLICK
    along the line).

    Args:
        first: x and y in pixels from the upper left corner.
        second: likewise.
        mm: between them.
        size: height and width of the photograph in pixels, in which the points have to lie; None: not known yet.
        relative: standard uncertainty of ``mm``, relative, beside that of the points.

    Raises:
        ArgumentError: for points outside of the photograph or too near to each other, and for no length.
    """
    if not 0 < mm < math.inf:
        raise ArgumentError(f"{mm:g} mm: give a positive length")
    apart = math.dist(first, second)
    if not LEAST_APART <= apart < math.inf:
        raise ArgumentError(f"the points are {apart:.1f} px apart; give some that are {LEAST_APART:g} px apart or more")
    if size is not None and not all(0 <= x <= size[1] and 0 <= y <= size[0] for x, y in (first, second)):
        raise ArgumentError(f"a point lies outside of the photograph, which has {size[1]}x{size[0]} pixels")
    known = min(1.0, math.hypot(relative, math.sqrt(2) * CLICK / apart))
    return Scale(mm / apart, known, f"{mm:g} mm over {apart:.1f} px, points read to {CLICK:g} px")
