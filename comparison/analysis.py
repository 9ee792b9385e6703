"""All differences between systems: of every condition and metric, and by kind of photograph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from comparison.measures import DEFAULT, Stratum, available, groups_of, measured, require, strata
from comparison.statistics import Difference, difference, holm, smallest_p
from comparison.systems import System
from contracts.errors import UserError
from metrics import names

FEW = 50  # groups of photographs: below, intervals hang on a few of them
LEAST_RESAMPLES = 100  # of which 2.5 % are at least two


@dataclass(frozen=True)
class Settings:
    """What is compared, and how.

    Attributes:
        conditions: hr, clean, degraded.
        metrics: by name, the first one the headline that is broken down; empty: the usual ones.
        all_pairs: every system with every other, not with the first alone.
        resamples: of bootstrap and permutations.
        seed: of both.
        groups: of photographs that belong together, the group's name by photograph.
    """

    conditions: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    all_pairs: bool = False
    resamples: int = 10_000
    seed: int = 0
    groups: dict[str, str] | None = None


@dataclass(frozen=True)
class Row:
    """One difference and what it is of.

    Attributes:
        condition: hr, clean or degraded.
        metric: name.
        system: label.
        reference: label of the system it is compared with.
        difference: system minus reference.
        p_holm: ``difference.p`` corrected for the number of rows; None in a breakdown.
        by: what photographs are told apart by ("data set", or a title of ``measures.BINS``), "" for all of them.
        stratum: which of them.
    """

    condition: str
    metric: str
    system: str
    reference: str
    difference: Difference
    p_holm: float | None = None
    by: str = ""
    stratum: str = ""

    @property
    def verdict(self) -> str:
        """tie, better, worse, or too few photographs to say."""
        if math.isnan(self.difference.low):
            return "too few"
        if self.difference.tie:
            return "tie"
        return "better" if (self.difference.estimate > 0) != self.lower_is_better else "worse"

    @property
    def lower_is_better(self) -> bool:
        """Which way the metric is better."""
        return names.base_of(self.metric) in names.LOWER_IS_BETTER

    @property
    def better_on(self) -> float:
        """Fraction of photographs on which the system is better, equal ones counted half."""
        return 1 - self.difference.higher if self.lower_is_better else self.difference.higher


@dataclass(frozen=True)
class Comparison:
    """The outcome.

    Attributes:
        systems: in the order given; the first is the reference.
        settings: as asked for.
        rows: over all photographs.
        breakdown: of the headline metric, by kind of photograph.
        warnings: sentences.
    """

    systems: tuple[System, ...]
    settings: Settings
    rows: tuple[Row, ...]
    breakdown: tuple[Row, ...]
    warnings: tuple[str, ...]


def compare(systems: Sequence[System], settings: Settings, progress: Callable[[], None] | None = None) -> Comparison:
    """Compare systems that were measured alike (``runs.require_same_test``).

    Args:
        systems: at least two; the first is what the others are compared with.
        settings: what to compare.
        progress: called after each difference.

    Raises:
        UserError: for a metric that was not measured.
    """
    rows, breakdown = [], []
    for condition in settings.conditions:
        metrics = metrics_of(systems, condition, settings)
        for system, reference in pairs(systems, settings.all_pairs):
            for metric in metrics:
                rows += _row(system, reference, condition, metric, settings)
                if progress is not None:
                    progress()
            for by, parts in strata(systems[0].runs[0].conditions[condition]).items():
                for stratum in parts:
                    breakdown += [
                        replace(row, by=by) for row in _row(system, reference, condition, metrics[0], settings, stratum)
                    ]
    if not rows:
        raise UserError("no metric applies to two photographs or more of all systems; there is nothing to compare")
    corrected = holm(np.array([row.difference.p for row in rows]))
    rows = [replace(row, p_holm=float(p)) for row, p in zip(rows, corrected, strict=True)]
    return Comparison(
        tuple(systems), settings, tuple(rows), tuple(breakdown), tuple(_warnings(systems, rows, settings.all_pairs))
    )


def pairs(systems: Sequence[System], all_pairs: bool) -> list[tuple[System, System]]:
    """(system, reference) of each comparison."""
    if all_pairs:
        return [(system, reference) for reference, system in combinations(systems, 2)]
    return [(system, systems[0]) for system in systems[1:]]


def metrics_of(systems: Sequence[System], condition: str, settings: Settings) -> list[str]:
    """The metrics to compare under a condition. Raises UserError for one that was not measured."""
    known = available(systems, condition)
    if settings.metrics:
        require(settings.metrics, known, condition)
        return list(settings.metrics)
    usual = [metric for metric in DEFAULT if metric in known]
    if not usual:
        raise UserError(f"none of the usual metrics was measured under {condition}; name some by --metric")
    return usual


def _row(
    system: System, reference: System, condition: str, metric: str, settings: Settings, stratum: Stratum | None = None
) -> list[Row]:
    """The difference as a row; none where the metric applies to too few photographs."""
    apart = difference(
        measured(system, condition, metric, stratum),
        measured(reference, condition, metric, stratum),
        groups_of(system.runs[0].conditions[condition].names, settings.groups or {}),
        resamples=settings.resamples,
        seed=settings.seed,
        tested=stratum is None,
    )
    if apart is None:
        return []
    return [Row(condition, metric, system.label, reference.label, apart, stratum=stratum.name if stratum else "")]


def _warnings(systems: Sequence[System], rows: Sequence[Row], all_pairs: bool) -> Iterator[str]:
    images, groups = (max(getattr(row.difference, name) for row in rows) for name in ("images", "groups"))
    if groups < images:
        yield f"{images} photographs in {groups} groups, which are drawn as a whole"
    if groups < FEW:
        yield f"{groups} photographs or groups of them only: intervals of fewer than {FEW} hang on a few"
    once = [system.label for system in systems if len(system.runs) == 1 and system.learnt]
    if once:
        yield (
            f"{', '.join(once)}: one training each; the intervals speak of these weights, not of what another "
            "seed of the same recipe would give"
        )
    least = max(smallest_p((len(one.runs), len(other.runs))) for one, other in pairs(systems, all_pairs))
    if least > 0.05:
        yield f"with so few seeds the permutation test cannot give a p below {least:.2g}, whatever the difference"
