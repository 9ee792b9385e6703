"""What a benchmark is: the same result computed in two ways, ours and a named alternative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

Outputs = Mapping[str, object]  # name -> tensor, array or number
SIDES = ("ours", "alternative")
TINY = 1e-30  # keeps the relative difference of two zeros at zero


class Unavailable(Exception):
    """The alternative is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Case:
    """One row of the table, its inputs made and ready.

    Args:
        what: the work and its size.
        ours: name of our way.
        alternative: name of the other way.
        run_ours: do it once our way and return the outputs.
        run_alternative: the same the other way.
        limit: largest relative difference between the outputs, None where the two sides do different work.
        target: smallest ratio of alternative to ours that was aimed at.
        run_exactly: outputs of both sides in float64, which are then compared instead of those timed, where float32
            alone moves some outputs far.
    """

    what: str
    ours: str
    alternative: str
    run_ours: Callable[[], Outputs]
    run_alternative: Callable[[], Outputs]
    limit: float | None
    target: float
    run_exactly: Callable[[], tuple[Outputs, Outputs]] | None = None

    def run(self, side: str) -> Outputs:
        """Do one side's work, ``side`` being one of SIDES."""
        return self.run_ours() if side == "ours" else self.run_alternative()


@dataclass(frozen=True)
class Difference:
    """How far the outputs of the two sides are apart, relative to their magnitude.

    Args:
        between: ours from the alternative.
        rounding: in float32, of ours and of the alternative from the alternative in float64, where ``between`` is in
            float64, else None.
    """

    between: float
    rounding: tuple[float, float] | None = None


def compare(case: Case) -> Difference:
    """Run both sides of a case and compare their outputs, in float64 if it can run so."""
    ours, alternative = (case.run(side) for side in SIDES)
    if case.run_exactly is None:
        return Difference(largest_difference(ours, alternative))
    exact, exact_alternative = case.run_exactly()
    rounding = largest_difference(ours, exact_alternative), largest_difference(alternative, exact_alternative)
    return Difference(largest_difference(exact, exact_alternative), rounding)


def largest_difference(ours: Outputs, alternative: Outputs) -> float:
    """Largest absolute difference of an output, relative to the largest magnitude in that output.

    Infinite where names or shapes differ, or where one side is not a number and the other is.
    """
    if ours.keys() != alternative.keys():
        return float("inf")
    return max(_relative(_array(ours[name]), _array(alternative[name])) for name in ours)


def _array(value: object) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value if value.dtype == torch.float64 else value.float()).numpy()
    return np.asarray(value, dtype=np.float64)


def _relative(ours: np.ndarray, alternative: np.ndarray) -> float:
    if ours.shape != alternative.shape or (np.isnan(ours) != np.isnan(alternative)).any():
        return float("inf")
    known = ~np.isnan(alternative)
    if not known.any():
        return 0.0
    return float(np.abs(ours - alternative)[known].max() / max(np.abs(alternative[known]).max(), TINY))
