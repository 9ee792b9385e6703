"""How sure a figure is: bootstrap over photographs (B. Efron, 1979), Wilson's interval for shares (E. B. Wilson, 1927).

Figures of the same photographs use the same resamples, so that ratios and differences of two of them are paired:
what makes a photograph hard for both does not widen their interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 2000
SEED = 1121
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure of a set, and the same figure of each resample.

    Args:
        value: of the photographs themselves.
        draws: float64 [R], NaN where it does not apply to a resample.
        images: number of photographs that it applies to.
    """

    value: float
    draws: NDArray[np.float64]
    images: int

    def over(self, other: Estimate) -> Estimate:
        """The ratio of two figures of the same photographs; NaN where the other one is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.float64(self.value) / other.value, self.draws / other.draws
        value, draws = (np.where(np.isfinite(quantity), quantity, np.nan) for quantity in ratios)
        return Estimate(float(value), draws, min(self.images, other.images))

    def minus(self, other: Estimate) -> Estimate:
        """The difference of two figures of the same photographs."""
        return Estimate(self.value - other.value, self.draws - other.draws, min(self.images, other.images))

    def figure(self) -> dict[str, float | int | None]:
        """mean, low and high (95%, the percentiles of the resamples) and images; None where it does not apply.

        A single photograph has no interval.
        """
        low, high = np.nan, np.nan
        if self.images > 1 and not np.isnan(self.draws).all():
            low, high = np.nanpercentile(self.draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        bounds = {"mean": self.value, "low": float(low), "high": float(high)}
        return {**{key: None if np.isnan(bound) else bound for key, bound in bounds.items()}, "images": self.images}


@lru_cache(maxsize=4)
def resamples(images: int) -> NDArray[np.float64]:
    """How often each resample takes each photograph: [R,N], rows that add up to N; the same for the same N."""
    if images < 1:
        raise ValueError("no photograph to resample")
    picks = np.random.default_rng(SEED).integers(0, images, (RESAMPLES, images))
    counts = np.zeros((RESAMPLES, images))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], picks), 1.0)
    return counts


def mean_of(values: NDArray) -> Estimate:
    """The mean over photographs of values [N]; those that are NaN do not apply and are left out."""
    mean, draws = _curve_estimates(np.asarray(values, dtype=np.float64)[:, None])
    return Estimate(float(mean[0]), draws[:, 0], int(np.isfinite(values).sum()))


def best_and_mean_of(curves: NDArray) -> tuple[Estimate, Estimate]:
    """Of curves over thresholds [N,T]: the largest mean over photographs at one common threshold, and the mean of all.

    Each resample has its own best threshold, as each set of photographs has.
    """
    value, draws = _curve_estimates(np.asarray(curves, dtype=np.float64))
    best = Estimate(float(value.max()), draws.max(axis=1), len(curves))
    return best, Estimate(float(value.mean()), draws.mean(axis=1), len(curves))


def ratio_of_sums(parts: NDArray, wholes: NDArray) -> Estimate:
    """A share of the pixels of all photographs, of each one's parts [N] and wholes [N]; NaN where there is no whole."""
    times = resamples(len(parts))
    with np.errstate(invalid="ignore"):
        return Estimate(float(np.sum(parts) / np.sum(wholes)), (times @ parts) / (times @ wholes), len(parts))


def _curve_estimates(curves: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean over photographs [T] of curves [N,T] without their NaN, and that of each resample [R,T]."""
    times, present = resamples(len(curves)), np.isfinite(curves)
    filled = np.where(present, curves, 0.0)
    with np.errstate(invalid="ignore"):
        return filled.sum(axis=0) / present.sum(axis=0), (times @ filled) / (times @ present)


def share_of(hits: int, images: int) -> dict[str, float | int]:
    """The share of photographs that something is true of, with Wilson's 95% interval: as ``Estimate.figure``.

    Args:
        hits: number of those that it is true of.
        images: of all.
    """
    bounds = binomtest(hits, images).proportion_ci(LEVEL, method="wilson")
    return {"mean": hits / images, "low": float(bounds.low), "high": float(bounds.high), "images": images}
