"""From compared arrays to a verdict: errors, limits, and the line that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Quantity = tuple[str, np.ndarray, np.ndarray]  # name, ours, expected
DTYPES = (torch.float32, torch.float64)
LIMITS = {torch.float32: 1e-5, torch.float64: 1e-8}
# Quantities that amplify rounding, with their float32 limit instead; in float64 the common limit holds. Merely
# rounding CrackFormer's input and weights to float32 moves its finest side output by 1e-4, and the slope of a
# sigmoid turns an error of 1e-3 in HRNet's logits (up to 290) into 1e-4.
AMPLIFIED = {("crackformer", "prob"): 1e-4, ("crackformer", "side_probs"): 2e-3, ("hrnet_w48_ocr", "aux_prob"): 1e-3}
# The reference adds 1e-8 inside the logarithms of its cross-entropy, ours is exact: 1e-8 / p apart at a probability p.
COMBOS = tuple(f"boundary_combo_alpha_{alpha}" for alpha in ("1.0", "0.5", "0.01"))
GUARDED = dict.fromkeys((("losses", quantity) for quantity in ("weighted_bce_1_1", *COMBOS)), 1e-7)


@dataclass(frozen=True)
class Verdict:
    """Errors and limits of one quantity, by precision, both absolute."""

    fixture: str
    quantity: str
    errors: dict[torch.dtype, float]
    limits: dict[torch.dtype, float]

    @property
    def passed(self) -> bool:
        """Whether every error is a number within its limit."""
        return all(self.errors[dtype] <= self.limits[dtype] for dtype in DTYPES)

    @property
    def badness(self) -> float:
        """Largest ratio of an error to its limit (infinite for NaN)."""
        ratios = [self.errors[dtype] / max(self.limits[dtype], 1e-300) for dtype in DTYPES]
        return float("inf") if np.isnan(ratios).any() else max(ratios)

    def line(self) -> str:
        """One line: names, error against limit in both precisions, verdict."""
        numbers = "  ".join(f"{self.errors[dtype]:.1e} / {self.limits[dtype]:.1e}" for dtype in DTYPES)
        return f"{self.fixture:30} {self.quantity:24} {numbers}  {'ok' if self.passed else 'FAILED'}"


HEADER = f"{'fixture':30} {'quantity':24} {'float32 error/limit':19}  {'float64 error/limit':19}  verdict"


def maximum_error(ours: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; infinite where the shapes differ."""
    if np.shape(ours) != np.shape(expected):
        return float("inf")
    return float(np.max(np.abs(np.asarray(ours, np.float64) - expected), initial=0.0))


def judge(
    fixture: str, compared: Mapping[torch.dtype, Sequence[Quantity]], single_precision: frozenset[tuple[str, str]]
) -> list[Verdict]:
    """A verdict for each quantity. Limits are relative to the largest expected absolute value.

    Args:
        fixture: its name.
        compared: quantities by precision.
        single_precision: (fixture, quantity) pairs that exist in float32 only, for which the float32 limit holds
            throughout. Those in ``AMPLIFIED`` have their own float32 limit, those in ``GUARDED`` their own float64
            limit.
    """
    verdicts = []
    for index, (quantity, _, expected) in enumerate(compared[torch.float64]):
        scale = float(np.max(np.abs(expected), initial=0.0))
        relative = {**LIMITS, torch.float32: AMPLIFIED.get((fixture, quantity), LIMITS[torch.float32])}
        relative[torch.float64] = GUARDED.get((fixture, quantity), LIMITS[torch.float64])
        only_single = (fixture, quantity) in single_precision
        limits = {dtype: relative[torch.float32 if only_single else dtype] * scale for dtype in DTYPES}
        errors = {dtype: maximum_error(*compared[dtype][index][1:]) for dtype in DTYPES}
        verdicts.append(Verdict(fixture, quantity, errors, limits))
    return verdicts
