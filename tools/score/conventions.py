"""One set of predictions, scored by the conventions that papers use: what is averaged, tolerated, and chosen how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metrics import pooled, sweep, tolerant
from metrics.sweep import Counts
from metrics.tolerant import TOLERANCES, Matches

IOU, MIOU, F1, PRECISION, RECALL = "iou", "miou", "f1", "precision", "recall"
FIGURES = (IOU, MIOU, F1, PRECISION, RECALL)
CRACK_FREE = {  # what a photograph without a crack counts
    "counted": "crack-free 1 if nothing is predicted, else 0",
    "skipped": "crack-free left out",
    "zero": "crack-free always 0",
}
SCSEGAMBA_THRESHOLDS = np.arange(0.0, 1.0, 0.01)  # from 0 on


@dataclass(frozen=True)
class Row:
    """A convention and its figures.

    Attributes:
        maps: "as they are", or "divided by their maximum".
        threshold: "0.5", "best on this set", "each image's own", or one that was given.
        convention: what is averaged, and how.
        figures: by name, of FIGURES.
        at: the thresholds of figures that were chosen.
    """

    maps: str
    threshold: str
    convention: str
    figures: dict[str, float]
    at: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """Counts of all images [N,T] at the 99 thresholds, and those with a tolerance by pixels."""

    maps: str
    counts: Counts
    matches: dict[int, Matches]

    @classmethod
    def of(cls, maps: str, images: Sequence[tuple[Counts, Mapping[int, Matches]]]) -> Scored:
        """Those of several images, each [T]."""
        matches = {r: Matches.stacked([of_image[r] for _, of_image in images]) for r in TOLERANCES}
        return cls(maps, pooled.stacked([counts for counts, _ in images]), matches)


def rows(scored: Scored, threshold: float | None) -> list[Row]:
    """Every convention at one threshold, or (None) at the best for each figure on this set."""
    label = "best on this set" if threshold is None else f"{threshold:g}"
    made = []
    for convention, curves in _curves(scored):
        if threshold is None:
            at = {name: int(np.nanargmax(curves[name])) for name in (IOU, MIOU, F1) if name in curves}
        else:
            at = dict.fromkeys((IOU, MIOU, F1), pooled.threshold_index(threshold))
        figures = {name: float(curve[at.get(name, at[F1])]) for name, curve in curves.items()}
        chosen = {} if threshold is not None else {name: float(sweep.THRESHOLDS[k]) for name, k in at.items()}
        made.append(Row(scored.maps, label, convention, figures, chosen))
    return made


def own_thresholds(scored: Scored) -> list[Row]:
    """OIS: the mean over images of each one's best F."""
    exact = Matches.exact(scored.counts)
    free = pooled.crack_free(scored.counts)
    label, made = "each image's own", []
    for rule, convention in _rules(free).items():
        mean = _mean_by(rule, tolerant.ois(exact)[:, None], free)
        made.append(Row(scored.maps, label, convention, {F1: float(mean[0])}))
    for r, matches in scored.matches.items():
        figures = {F1: float(tolerant.ois(matches).mean())}
        made.append(Row(scored.maps, label, f"mean over images, {r} px of tolerance", figures))
    return made


def _curves(scored: Scored) -> Iterator[tuple[str, dict[str, NDArray[np.float64]]]]:
    """Every convention with its figures at the 99 thresholds [T]."""
    counts, free = scored.counts, pooled.crack_free(scored.counts)
    total = pooled.pooled(counts)
    yield (
        "pooled",
        {
            IOU: pooled.iou(total),
            MIOU: pooled.two_class_iou(total),
            F1: sweep.dice(total),
            PRECISION: sweep.precision(total),
            RECALL: sweep.recall(total),
        },
    )
    per_image = {IOU: pooled.iou(counts), MIOU: pooled.two_class_iou(counts), F1: sweep.dice(counts)}
    of_defined = {PRECISION: sweep.precision(counts), RECALL: sweep.recall(counts)}
    for rule, convention in _rules(free).items():
        curves = {name: _mean_by(rule, curve, free) for name, curve in per_image.items()}
        if rule != "zero":
            curves |= {name: _mean_by(rule, curve, free) for name, curve in of_defined.items()}
        yield convention, curves
    for r, matches in scored.matches.items():
        together = matches.pooled()
        f = tolerant.f_measure(together)
        yield (
            f"pooled, {r} px of tolerance",
            {F1: f, PRECISION: tolerant.precision(together), RECALL: tolerant.recall(together)},
        )
        yield f"mean over images, {r} px of tolerance", {F1: tolerant.f_measure(matches).mean(axis=0)}


def _rules(free: NDArray[np.bool_]) -> dict[str, str]:
    """The rules for crack-free images that differ on this set, each with the name of its convention."""
    if not free.any():
        return {"counted": "mean over images"}
    rules = {rule: f"mean over images, {text}" for rule, text in CRACK_FREE.items()}
    if free.all():
        del rules["skipped"]
    return rules


def _mean_by(rule: str, curves: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Means over images [T] of curves [N,T], where ``free`` images [N] count by the rule; NaN where there is none."""
    if rule == "zero":
        return np.where(free[:, None], 0.0, curves).mean(axis=0)
    chosen = curves[~free] if rule == "skipped" else curves
    present = np.isfinite(chosen)
    total, number = np.where(present, chosen, 0.0).sum(axis=0), present.sum(axis=0)
    return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)


def divided(prob: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map divided by its own maximum; one of zeros as it is."""
    largest = prob.max()
    return prob / largest if largest > 0 else prob


def scsegamba_counts(prob: NDArray[np.float32], truth: NDArray[np.bool_]) -> Counts:
    """Counts as the evaluation of SCSegamba (H. Liu et al., CVPR 2025) makes them, at thresholds 0, .01, ... .99.

    Its test.py divides each map by its own maximum and saves 8 bits; eval/evaluate.py cuts these.
    """
    saved = np.rint(divided(prob) * np.float32(255)) / 255
    levels = sweep.threshold_levels(saved, SCSEGAMBA_THRESHOLDS)
    return sweep.count(levels, truth, len(SCSEGAMBA_THRESHOLDS))


def scsegamba(counts: Sequence[Counts]) -> dict[str, float]:
    """mIoU, ODS and OIS as eval/evaluate.py of SCSegamba defines them: means over images, crack-free ones 0.

    mIoU averages the background in; both it and ODS are at the threshold that is best on the set. Precision, recall
    and F1 there are pooled, at threshold 0: of every pixel that is not 0 after rounding.
    """
    images = pooled.stacked(counts)
    total = pooled.pooled(images)
    free = pooled.crack_free(images)
    union = images.true_positive + images.false_positive + images.false_negative
    miou = np.where(union > 0, pooled.two_class_iou(images), 0.0)  # a crack-free image has the background's half
    f = np.where(free[:, None], 0.0, sweep.dice(images))
    return {
        "mIoU": float(miou.mean(axis=0).max()),
        "ODS": float(f.mean(axis=0).max()),
        "OIS": float(f.max(axis=1).mean()),
        "P": float(sweep.precision(total)[0]),
        "R": float(sweep.recall(total)[0]),
        "F1": float(sweep.dice(total)[0]),
    }
