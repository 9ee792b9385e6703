"""How large a pixel is on the surface that was photographed, and how well that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contracts.errors import ArgumentError
from metrics.figure import Figure


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
