"""A measured value with its standard uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
