"""The figures of a whole set that papers report, under the names of ``metrics.names``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from metrics import names, pooled, sweep, tolerant
from metrics.scores import ImageScores, MaskScores
from metrics.sweep import Counts
from metrics.tolerant import Matches

BY_TOLERANCE = {  # pixels: F at one threshold, ODS, OIS
    2: (names.F_2PX, names.ODS_2PX, names.OIS_2PX),
    5: (names.F_5PX, names.ODS_5PX, names.OIS_5PX),
}


def set_figures(scores: Sequence[ImageScores]) -> dict[str, float]:
    """Figures of the set at 0.5, at the best thresholds and over all of them, without those that do not apply.

    Args:
        scores: of its images, at least one.
    """
    counts = pooled.stacked([one.counts for one in scores])
    matches = {r: Matches.stacked([one.matches[r] for one in scores]) for r in BY_TOLERANCE}
    total = pooled.pooled(counts)
    reliability = reduce(add, (one.reliability for one in scores))
    figures = {
        **_pooled_at([one.half for one in scores], total, matches),
        **_best(counts, total),
        names.AP: pooled.average_precision(total),
        names.ECE: reliability.error(),
        names.ECE_CRACK: reliability.crack_error(),
        names.EMPTY_PREDICTIONS: _empty_predictions(counts, sweep.HALF),
        names.EMPTY_MASKS: float(pooled.crack_free(counts).sum()),
    }
    for tolerance, (_, ods, ois) in BY_TOLERANCE.items():
        figures |= {ods: tolerant.ods(matches[tolerance])[0], ois: float(tolerant.ois(matches[tolerance]).mean())}
    chosen = [one.chosen for one in scores if one.chosen is not None]
    if len(chosen) == len(scores):
        at = means([one.values for one in chosen]) | _pooled_at(chosen, total, matches)
        at[names.EMPTY_PREDICTIONS] = _empty_predictions(counts, chosen[0].index)
        figures |= {names.at_threshold(name): value for name, value in at.items()}
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def image_figures(scores: ImageScores) -> dict[str, float]:
    """Figures of one image alone, whose pooled ones they are shares of: its own clIoU and best F."""
    figures = {names.CLIOU: scores.half.centrelines.cliou, names.OIS: float(scores.dice_curve.max())}
    for tolerance, (_, _, ois) in BY_TOLERANCE.items():
        figures[ois] = float(tolerant.f_measure(scores.matches[tolerance]).max())
    if scores.chosen is not None:
        at = {**scores.chosen.values, names.CLIOU: scores.chosen.centrelines.cliou}
        figures |= {names.at_threshold(name): value for name, value in at.items()}
    return figures


def _pooled_at(masks: Sequence[MaskScores], total: Counts, matches: Mapping[int, Matches]) -> dict[str, float]:
    """Pooled figures at the threshold of ``masks``."""
    k = masks[0].index
    curves: dict[str, NDArray[np.float64]] = {
        names.IOU_POOLED: pooled.iou(total),
        names.DICE_POOLED: sweep.dice(total),
        names.PRECISION_POOLED: sweep.precision(total),
        names.RECALL_POOLED: sweep.recall(total),
        names.MIOU_POOLED: pooled.two_class_iou(total),
    }
    for tolerance, (f, _, _) in BY_TOLERANCE.items():
        curves[f] = tolerant.f_measure(matches[tolerance].pooled())
    figures = {name: float(curve[k]) for name, curve in curves.items()}
    return figures | {names.CLIOU: reduce(add, (mask.centrelines for mask in masks)).cliou}


def _best(counts: Counts, total: Counts) -> dict[str, float]:
    """Figures at the threshold that is best for each on this very set."""
    ods, ods_threshold = pooled.best(sweep.dice(total))
    return {
        names.DICE_MAX: pooled.best(sweep.dice(counts).mean(axis=0))[0],
        names.MIOU_MAX: pooled.best(pooled.two_class_iou(counts).mean(axis=0))[0],
        names.IOU_POOLED_MAX: pooled.best(pooled.iou(total))[0],
        names.MIOU_POOLED_MAX: pooled.best(pooled.two_class_iou(total))[0],
        names.ODS: ods,
        names.ODS_THRESHOLD: ods_threshold,
        names.OIS: float(sweep.dice(counts).max(axis=1).mean()),
    }


def _empty_predictions(counts: Counts, k: int) -> float:
    return float(np.count_nonzero((counts.true_positive + counts.false_positive)[:, k] == 0))


def means(per_image: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over images of each value, without those that do not have it."""
    keys = dict.fromkeys(key for values in per_image for key in values)
    return {key: float(np.mean([values[key] for values in per_image if key in values])) for key in keys}
