"""From the figures of photographs to what is compared: one metric of one system on some of the photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from comparison.statistics import Measured
from comparison.systems import Images, System
from contracts.errors import UserError
from metrics import names

# Ratios of sums over all photographs: what is added up above and below the line.
_TRUE_POSITIVES, _FALSE_POSITIVES, _FALSE_NEGATIVES, _ = names.CONFUSION
POOLED = {
    names.IOU_POOLED: ((_TRUE_POSITIVES,), (_TRUE_POSITIVES, _FALSE_POSITIVES, _FALSE_NEGATIVES)),
    names.PRECISION_POOLED: ((_TRUE_POSITIVES,), (_TRUE_POSITIVES, _FALSE_POSITIVES)),
    names.RECALL_POOLED: ((_TRUE_POSITIVES,), (_TRUE_POSITIVES, _FALSE_NEGATIVES)),
    names.CLIOU: ((names.CENTRELINE_FOUND,), (names.CENTRELINE_UNION,)),
}
DEFAULT = (
    names.at_threshold(names.IOU),
    names.IOU,
    names.IOU_MAX,
    names.AIU,
    names.DICE,
    names.CLIOU,
    names.HD95,
    names.PSNR,
    names.KERNEL_PSNR,
)


class Stratum(NamedTuple):
    """Some of the measurements: a name, and which [N,K]."""

    name: str
    chosen: NDArray[np.bool_]


def available(systems: Sequence[System], condition: str) -> list[str]:
    """The metrics that all trainings hold under a condition."""
    columns = [
        {name for name, values in run.conditions[condition].columns.items() if np.isfinite(values).any()}
        for system in systems
        for run in system.runs
    ]
    common = set.intersection(*columns)
    pooled = [name for name, (above, below) in POOLED.items() if common.issuperset((*above, *below))]
    return sorted({*(common - NOT_METRICS), *pooled})


def measured(system: System, condition: str, metric: str, stratum: Stratum | None = None) -> Measured:
    """One metric of one system.

    Args:
        system: with S trainings.
        condition: hr, clean or degraded.
        metric: a column of per_image.csv, or one of ``POOLED``.
        stratum: what to leave in; unset: all.
    """
    above, below = POOLED.get(metric, ((metric,), ()))
    totals, counts, applies = [], [], []
    for run in system.runs:
        columns = run.conditions[condition].columns
        total = np.sum([columns[name] for name in above], axis=0)
        count = np.sum([columns[name] for name in below], axis=0) if below else np.ones_like(total)
        present = np.isfinite(total) & (stratum is None or stratum.chosen)
        totals.append(np.where(present, total, 0.0).sum(1))
        counts.append(np.where(present, count, 0.0).sum(1))
        applies.append(present.any(1))
    return Measured(np.stack(totals), np.stack(counts), np.stack(applies))


BINS = {  # title, unit and lower ends of the bins
    names.CRACK_WIDTH: ("crack width", " px", (0.0, 2.0, 4.0, 8.0)),
    names.BLUR_SIGMA: ("blur sigma", " px", (0.0, 1.0, 2.0, 3.0)),
    names.NOISE_SIGMA: ("noise sigma", "", (0.0, 0.015, 0.025, 0.04)),
    names.JPEG_QUALITY: ("JPEG quality", "", (0.0, 55.0, 75.0, 100.0)),
}
NOT_METRICS = {*BINS, names.CENTRELINE_FOUND, names.CENTRELINE_UNION, *names.CONFUSION}


def strata(images: Images) -> dict[str, list[Stratum]]:
    """The photographs by data set, crack width, blur, noise and JPEG; what says nothing (a single stratum) is left out.

    The data set is the first folder in a photograph's name.
    """
    shape = (len(images.names), len(next(iter(images.columns.values()))[0]))
    folders = np.array([name.partition("/")[0] if "/" in name else "" for name in images.names])
    groups = {
        "data set": [
            Stratum(folder or "(no folder)", np.broadcast_to((folders == folder)[:, None], shape))
            for folder in dict.fromkeys(folders)
        ]
    }
    for column, (title, unit, edges) in BINS.items():
        if column not in images.columns:
            continue
        values = images.columns[column]
        tops = (*edges[1:], np.inf)
        groups[title] = [
            Stratum(
                f"{low:g} to {top:g}{unit}" if top < np.inf else f"{low:g}{unit} or more",
                (values >= low) & (values < top),
            )
            for low, top in zip(edges, tops, strict=True)
        ]
        if column == names.CRACK_WIDTH:
            groups[title].append(Stratum("no crack", np.isnan(values)))
    kept = {title: [stratum for stratum in parts if stratum.chosen.any()] for title, parts in groups.items()}
    return {title: parts for title, parts in kept.items() if len(parts) > 1}


def groups_of(names_of_images: Sequence[str], groups: dict[str, str]) -> NDArray[np.int64]:
    """The number of each photograph's group [N]; a photograph that ``groups`` does not name is one by itself."""
    labels = [groups.get(name, f"\0{name}") for name in names_of_images]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def require(metrics: Sequence[str], known: Sequence[str], condition: str) -> None:
    """Refuse metrics that were not measured under a condition. Raises UserError that lists those that were."""
    missing = next((metric for metric in metrics if metric not in known), None)
    if missing is not None:
        raise UserError(f"--metric {missing}: not measured under {condition}; there are {', '.join(known)}")
