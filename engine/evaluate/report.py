"""What an evaluation leaves behind: a table, results.json, per_image.csv, curves and panels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contracts.files import write_table, write_text
from engine.evaluate.evaluation import Evaluation
from engine.evaluate.pictures import panels
from metrics import names
from metrics.baselines import BASELINES
from metrics.sweep import THRESHOLDS, Counts
from tracking.keys import TEST_PER_IMAGE, baseline_key, curve_key, test_key
from tracking.tracker import NullTracker
from visualization.charts import bars, confusion, iou_over_threshold, precision_recall
from visualization.drawing import save_all

BARS = {
    names.IOU: "IoU",
    names.DICE: "Dice (F1)",
    names.PRECISION: "precision",
    names.RECALL: "recall",
    names.ACCURACY: "accuracy",
}


def results(evaluation: Evaluation, meta: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json: figures by condition, each baseline's, and ``meta``.

    Args:
        evaluation: scores of the model and of baselines.
        meta: facts about the evaluation.
    """
    content: dict[str, Any] = {name: scores.summary() for name, scores in evaluation.scores.items()}
    for baseline, group in evaluation.baselines.items():
        content[baseline] = {name: scores.summary() for name, scores in group.items() if len(scores)}
    return {**content, "meta": meta}


def table(content: dict[str, Any], named: Callable[[str], str] = str) -> str:
    """The figures as text: a row for each condition, those of the baselines below.

    Args:
        content: of results.json.
        named: the key of a metric's figure there, such as that at another threshold.
    """
    rows = list(_of_model(content).items())
    rows += [(f"{name.replace('_', ' ')} {condition}", figures) for name, condition, figures in _of_baselines(content)]
    columns = {
        key: metric
        for key, metric in names.METRICS.items()
        if metric.heading and any(named(key) in figures for _, figures in rows)
    }
    head = f"{'input':<20}" + "".join(f"{metric.heading:>10}" for metric in columns.values())
    lines = [head, "-" * len(head)]
    for name, figures in rows:
        values = ((figures.get(named(key)), metric.digits) for key, metric in columns.items())
        cells = ("-" if value is None else f"{value:.{digits}f}" for value, digits in values)
        lines.append(f"{name:<20}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def _of_model(content: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The model's figures by condition."""
    return {name: figures for name, figures in content.items() if name not in (*BASELINES, "meta")}


def _of_baselines(content: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Each baseline's name, condition and figures."""
    for name in BASELINES:
        yield from ((name, condition, figures) for condition, figures in content.get(name, {}).items())


def rows_per_image(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row for each image, condition and system (the model, each baseline)."""
    return [
        {"system": system, "condition": condition, **row}
        for system, group in (("model", evaluation.scores), *evaluation.baselines.items())
        for condition, scores in group.items()
        for row in scores.rows()
    ]


def counts(evaluation: Evaluation) -> tuple[tuple[str, ...], dict[tuple[str, str], Counts]]:
    """The images' names, and their pixels at the 99 thresholds by system (the model, each baseline) and condition."""
    by_system = {
        (system, condition): scores
        for system, group in (("model", evaluation.scores), *evaluation.baselines.items())
        for condition, scores in group.items()
        if len(scores)
    }
    images = tuple(dict.fromkeys(next(iter(by_system.values())).names)) if by_system else ()  # not their draws
    return images, {key: scores.counts() for key, scores in by_system.items()}


def pictures(evaluation: Evaluation) -> dict[str, Callable[[], np.ndarray]]:
    """How to draw curves and panels, uint8 RGB [H,W,3], by tracking key."""
    curves = {condition: scores.curves() for condition, scores in evaluation.scores.items()}
    ious = {condition: curve[names.IOU] for condition, curve in curves.items()}
    figures = {condition: scores.summary() for condition, scores in evaluation.scores.items()}
    pairs = {condition: (curve[names.RECALL], curve[names.PRECISION]) for condition, curve in curves.items()}
    return {
        curve_key("iou_over_threshold"): partial(iou_over_threshold, THRESHOLDS, ious),
        curve_key("precision_recall"): partial(precision_recall, pairs),
        curve_key("confusion"): partial(confusion, _chosen(figures, names.CONFUSION)),
        curve_key("scores"): partial(bars, _chosen(figures, BARS), list(BARS.values())),
        **panels("test", evaluation.kept),
    }


def _chosen(figures: dict[str, dict[str, float]], keys: Iterable[str]) -> dict[str, list[float]]:
    """Some figures of each condition in order, NaN for those that do not apply."""
    return {condition: [values.get(key, np.nan) for key in keys] for condition, values in figures.items()}


KEPT_FILES = ("results.json", "per_image.csv")  # what compare.py reads of an evaluation


def write(folder: Path, content: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write results.json and per_image.csv.

    Args:
        folder: made if missing.
        content: as ``results`` gives it.
        rows: as ``rows_per_image`` gives them.

    Raises:
        UserError: where the disk refuses.
    """
    write_text(folder / "results.json", json.dumps(content, indent=2) + "\n")
    write_table(folder / "per_image.csv", rows)


def write_pictures(folder: Path, made: dict[str, np.ndarray]) -> None:
    """Write PNG files; those that the disk refuses are told in a line and left out.

    Args:
        folder: they are written below it.
        made: pictures, uint8 RGB [H,W,3], by tracking key.
    """
    save_all({folder / (key.removeprefix("test/") + ".png"): image for key, image in made.items()})


def track(tracker: NullTracker, content: dict[str, Any], rows: Sequence[dict], made: dict, step: int) -> None:
    """Hand figures, pictures and table to the tracker.

    Args:
        tracker: of the run.
        content: as ``results`` gives it.
        rows: as ``rows_per_image`` gives them.
        made: pictures, uint8 RGB [H,W,3], by tracking key.
        step: of the weights.
    """
    values = {
        test_key(condition, name): value
        for condition, figures in _of_model(content).items()
        for name, value in figures.items()
    }
    values |= {
        baseline_key(baseline, condition, name): value
        for baseline, condition, figures in _of_baselines(content)
        for name, value in figures.items()
    }
    tracker.log(values, step)
    tracker.images(made, step)
    tracker.table(TEST_PER_IMAGE, rows)
    tracker.summary(values)
