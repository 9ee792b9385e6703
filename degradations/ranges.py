"""Ranges that options give for a parameter, checked when they are read, drawn from for each sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from contracts.errors import ArgumentError, nearest


@dataclass(frozen=True)
class Range:
    """A closed interval to draw from, uniformly; ``low == high`` is a fixed value."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Return a number in [low, high]."""
        return float(rng.uniform(self.low, self.high))

    def draw_whole(self, rng: np.random.Generator) -> int:
        """Return a whole number in [low, high], both ends included."""
        return int(rng.integers(round(self.low), round(self.high), endpoint=True))

    def plain(self) -> list[float]:
        """Return ``[low, high]``, as options would give it."""
        return [self.low, self.high]


def read_number(value: object, name: str, least: float, most: float = math.inf) -> float:
    """Check a number of the options.

    Args:
        value: what they give.
        name: of the parameter, for errors.
        least: lower limit.
        most: upper limit.

    Raises:
        ArgumentError: for what is no number within the limits.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    limits = f"of at least {least:g}" if math.isinf(most) else f"between {least:g} and {most:g}"
    raise ArgumentError(f"{name}: expected a number {limits}, received {value!r}")


def read_range(value: object, name: str, least: float, most: float = math.inf) -> Range:
    """Read a range of the options.

    Args:
        value: a number, [low, high] or a ``Range``.
        name: of the parameter, for errors.
        least: lower limit of both ends.
        most: upper limit of both ends.

    Raises:
        ArgumentError: for anything else.
    """
    if isinstance(value, Range):
        value = value.plain()
    ends = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(ends) != 2:
        raise ArgumentError(f"{name}: expected a number or [low, high], received {value!r}")
    low, high = (read_number(end, name, least, most) for end in ends)
    if low > high:
        raise ArgumentError(f"{name}: expected [low, high] with low <= high, received {value!r}")
    return Range(low, high)


def check_names(parameters: Mapping[str, object], valid: Iterable[str], what: str) -> None:
    """Check the names of parameters.

    Args:
        parameters: the given ones by name.
        valid: names that there are.
        what: whose parameters they are, for errors.

    Raises:
        ArgumentError: for the first other name, with the nearest valid one.
    """
    valid = sorted(valid)
    for name in parameters:
        if name not in valid:
            hint = nearest(str(name), valid)
            raise ArgumentError(f"unknown parameter '{name}' of {what}{hint}; choose from: {', '.join(valid)}")
