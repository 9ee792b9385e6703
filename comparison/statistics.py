"""Is one system better than another? Intervals and p-values of the difference of two systems' means.

A system is trained S times (seeds) and every training is measured on the same N photographs: two crossed sources of
chance. What is asked is the difference for other seeds and other photographs alike, so that both are resampled:

- photographs: a photograph's difference is that of the means over seeds, and of its degradation draws, which belong to
  the photograph and move with it. Photographs of one group (pieces of one larger photograph) move together.
- seeds: those of each system for themselves. Their spread is rid of what the choice of photographs adds to it (a
  two-way analysis of variance), as the first part holds that already; resampling both at once would count it three
  times (A. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007).

Percentiles of few seeds are too narrow: they are widened to Student's distribution with the degrees of freedom of
F. Satterthwaite (1946). Tests hold the coverage of the intervals at 95 % on drawn results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEWEST = 5  # groups of photographs: fewer say nothing about others
CHUNK = 2_000_000  # numbers drawn at once: 16 MB of them


@dataclass(frozen=True)
class Measured:
    """One metric of one system: sums whose ratio is the metric, so that means and pooled ratios are treated alike.

    Attributes:
        total: [S,N], of each training and photograph, summed over its degradation draws.
        count: [S,N], what ``total`` is divided by: the number of draws, or (pooled) pixels.
        applies: [S,N], where the metric says something: a pooled one also of a photograph that adds no pixel.
    """

    total: NDArray[np.float64]
    count: NDArray[np.float64]
    applies: NDArray[np.bool_]

    def per_seed(self) -> NDArray[np.float64]:
        """The metric of each training [S]; NaN where it applies to no photograph."""
        with np.errstate(invalid="ignore"):
            return self.total.sum(1) / self.count.sum(1)

    def per_image(self) -> NDArray[np.float64]:
        """The metric of each photograph [N], mean over trainings; NaN where one of them divides by 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self.total / self.count).mean(0)

    def of(self, images: NDArray[np.bool_]) -> Measured:
        """The same on some of the photographs, given as a mask [N]."""
        return Measured(self.total[:, images], self.count[:, images], self.applies[:, images])


@dataclass(frozen=True)
class Difference:
    """System minus reference.

    Attributes:
        system: the system's metric, mean over its seeds.
        reference: likewise.
        estimate: their difference.
        low: lower end of the 95 % interval; NaN for fewer than ``FEWEST`` groups of photographs.
        high: upper end, likewise.
        p: of a two-sided permutation test, 1 for no difference at all; None where it was not asked for.
        effect: mean difference of a photograph in units of its standard deviation (Cohen's d_z); 0 without spread.
        higher: fraction of photographs with a higher value, equal ones counted half.
        images: number of photographs to which the metric applies in all trainings.
        groups: of these photographs.
    """

    system: float
    reference: float
    estimate: float
    low: float
    high: float
    p: float | None
    effect: float
    higher: float
    images: int
    groups: int

    @property
    def tie(self) -> bool:
        """Whether zero lies inside the interval, or there is none."""
        return not (self.low > 0.0 or self.high < 0.0)


def difference(
    system: Measured,
    reference: Measured,
    groups: NDArray[np.int64],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    tested: bool = True,
) -> Difference | None:
    """Compare two systems on the same photographs.

    Args:
        system: what is measured of the one, [S1,N].
        reference: and of the other, [S2,N].
        groups: of each photograph the number of its group [N].
        resamples: of the bootstrap and of the permutations.
        seed: of both.
        tested: whether to compute p.

    Returns:
        The difference, or None where the metric applies to fewer than two groups of photographs in both systems.
    """
    both: NDArray[np.bool_] = np.logical_and.reduce(np.concatenate([system.applies, reference.applies]))
    _, index = np.unique(groups[both], return_inverse=True)
    system, reference = system.of(both), reference.of(both)
    if len(set(index)) < 2 or not np.isfinite([*system.per_seed(), *reference.per_seed()]).all():
        return None
    tables = [_influence(measured, index) for measured in (system, reference)]
    random = np.random.default_rng(seed)
    ours, theirs = (table.mean() for table in tables)
    replicates, widening = _bootstrap(tables, resamples, random)
    low, high = ours - theirs + widening * np.quantile(replicates, [0.025, 0.975])
    if index.max() + 1 < FEWEST:
        low = high = np.nan
    apart = system.per_image() - reference.per_image()
    apart = apart[np.isfinite(apart)]
    spread = apart.std(ddof=1) if len(apart) > 1 else 0.0
    return Difference(
        system=float(ours),
        reference=float(theirs),
        estimate=float(ours - theirs),
        low=float(low),
        high=float(high),
        p=_permutation_p(tables, resamples, random) if tested else None,
        effect=float(apart.mean() / spread) if spread > 0 else 0.0,
        higher=float(((apart > 0) + 0.5 * (apart == 0)).mean()) if len(apart) else 0.5,
        images=int(both.sum()),
        groups=int(index.max()) + 1,
    )


def _influence(measured: Measured, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Trainings by groups [S,G]: the metric of a training plus what a group adds to it.

    The mean of a row is that training's metric, also of a ratio of sums, which is made linear in the groups.
    """
    groups = index.max() + 1
    value = measured.per_seed()[:, None]
    rest = measured.total - value * measured.count
    summed = np.stack([np.bincount(index, row, groups) for row in rest])
    return value + summed * groups / measured.count.sum(1, keepdims=True)


def _bootstrap(
    tables: list[NDArray[np.float64]], resamples: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Deviations from the estimate [resamples], and how much few degrees of freedom widen their percentiles."""
    apart = tables[0].mean(0) - tables[1].mean(0)
    groups = len(apart)
    deviations = _resampled_means(apart, resamples, random) * np.sqrt(groups / (groups - 1))
    parts = [(apart.var(ddof=1) / groups, groups - 1)]
    for sign, table in zip((1, -1), tables, strict=True):
        seeds = len(table)
        if seeds > 1:
            own = table.mean(1)
            variance = max(0.0, own.var(ddof=1) - _interaction(table) / groups) / seeds
            drawn = _resampled_means(own, resamples, random)
            scale = np.sqrt(variance / (own.var() / seeds)) if own.var() > 0 else 0.0
            deviations += sign * scale * drawn
            parts.append((variance, seeds - 1))
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return deviations, 1.0
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    return deviations, float(stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))


def _resampled_means(values: NDArray[np.float64], resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Means of values drawn with replacement, less the mean of all [resamples]."""
    size = len(values)
    means, step = np.empty(resamples), max(1, CHUNK // size)
    for start in range(0, resamples, step):
        picks = random.integers(0, size, (min(step, resamples - start), size))
        means[start : start + step] = values[picks].mean(1)
    return means - values.mean()


def _interaction(table: NDArray[np.float64]) -> float:
    """Mean square of what neither the training nor the group explains [S,G]."""
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    return float((rest**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1)))


def _permutation_p(tables: list[NDArray[np.float64]], resamples: int, random: np.random.Generator) -> float:
    """The larger of two p-values: systems exchanged within groups, and (of more than one training) among trainings.

    Both have to be small for a difference that other photographs and other seeds would show too.
    """
    ours, theirs = (table.mean(0) for table in tables)
    if np.array_equal(ours, theirs):
        return 1.0
    p = _exchanged((ours, theirs), "samples", resamples, random)
    if min(len(table) for table in tables) > 1:
        p = max(p, _exchanged([table.mean(1) for table in tables], "independent", resamples, random))
    return p


def _exchanged(samples: Sequence[NDArray[np.float64]], kind: str, resamples: int, random: np.random.Generator) -> float:
    return float(
        stats.permutation_test(
            samples,
            lambda x, y, axis: x.mean(axis) - y.mean(axis),
            permutation_type=kind,
            n_resamples=resamples,
            vectorized=True,
            batch=max(1, CHUNK // sum(len(sample) for sample in samples)),
            rng=random,
        ).pvalue
    )


def smallest_p(seeds: tuple[int, int]) -> float:
    """The smallest p-value that so many trainings of two systems allow; 0 where one of them was trained once."""
    return 2 / math.comb(sum(seeds), seeds[0]) if min(seeds) > 1 else 0.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values [M] corrected for their number (S. Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
