"""Read what evaluations left behind, and refuse what cannot be compared."""

from __future__ import annotations

import atexit
import csv
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from comparison.folds import differences, merged
from comparison.systems import MODEL, Images, Run, System
from contracts.cells import from_cell
from contracts.errors import UserError, lookup
from engine.evaluate.report import KEPT_FILES
from metrics.baselines import BASELINES
from tracking.wandb_files import PREFIX, fetch_files

AGAIN = "run evaluate.py on it again"


def read_system(argument: str) -> System:
    """A system from LABEL=FOLDER[,FOLDER...][:BASELINE].

    A FOLDER may also be wandb:ENTITY/PROJECT/RUN_ID, or the folds of a cross-validation, joined by "+".

    Raises UserError for another form and as ``read_run``.
    """
    label, _, given = argument.partition("=")
    source, system = _without_baseline(given)
    parts = _split(source)
    if not label or not all(fold for training in parts for fold in training) or not source:
        raise UserError(f"'{argument}': write a system as LABEL=FOLDER[,FOLDER...]; no folder is given")
    known: set[Path | str] = set()
    for fold in (fold for training in parts for fold in training):
        identity = fold if fold.startswith(PREFIX) else results_folder(Path(fold)).resolve()
        if identity in known:
            raise UserError(f"{label}: {fold} is given twice; a training counts once")
        known.add(identity)
    trainings = [[_local(fold) for fold in training] for training in parts]
    runs = tuple(merged([read_run(fold, system or MODEL) for fold in training]) for training in trainings)
    return System(label, runs, given)


def _without_baseline(source: str) -> tuple[str, str]:
    """(sources, baseline or "") of SOURCES[:BASELINE]; the colon of wandb:RUN ends no source."""
    head, colon, last = source.rpartition(":")
    if not colon or Path(source).is_dir() or re.search(rf"(^|[,+]){PREFIX.removesuffix(':')}$", head):
        return source, ""
    lookup(BASELINES, last, "baseline")
    return head, last


def _split(source: str) -> list[list[str]]:
    """The trainings, and of each the folds; a folder that exists is taken by its whole name, commas or not."""
    if Path(source).is_dir():
        return [[source]]
    parts = source.removesuffix(",").split(",")
    return [[part] if Path(part).is_dir() else part.split("+") for part in parts]


def _local(source: str) -> Path:
    """The folder itself, or one with the results of wandb:ENTITY/PROJECT/RUN_ID, fetched for this comparison."""
    if not source.startswith(PREFIX):
        return Path(source)
    folder = Path(tempfile.mkdtemp(prefix="compare_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    fetch_files(source.removeprefix(PREFIX), KEPT_FILES, folder)
    return folder


def results_folder(folder: Path) -> Path:
    """Where an experiment, or a folder of results, holds its results. Raises UserError where there are none."""
    for place in (folder / "results", folder):
        if (place / "results.json").is_file():
            return place
    raise UserError(f"{folder}: no results.json; run evaluate.py on it first")


def read_run(folder: Path, system: str = MODEL) -> Run:
    """Read the results of one training.

    Args:
        folder: an experiment that evaluate.py was run on, or a folder of results.
        system: "model", or the name of a baseline that was scored beside it.

    Raises:
        UserError: for missing or damaged files, for results without a protocol (written by an earlier version), and
            for a system that was not scored.
    """
    place = results_folder(folder)
    try:
        meta = json.loads((place / "results.json").read_text(encoding="utf-8"))["meta"]
        with (place / "per_image.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file, restval="") if row["system"] == system]
        conditions = {name: _images([row for row in rows if row["condition"] == name]) for name in _conditions(rows)}
        whole = meta["protocol"]["images"] if "protocol" in meta else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{place}: its results cannot be read ({reason}); {AGAIN}") from None
    if whole is None:
        raise UserError(f"{place}: written before results said how they were measured; {AGAIN}")
    if not rows:
        raise UserError(f"{place}: '{system}' was not scored there; {AGAIN} with it")
    lost = next((name for name, images in conditions.items() if len(images.names) != whole), None)
    if lost is not None:
        number = len(conditions[lost].names)
        raise UserError(f"{place}/per_image.csv holds {number} of {whole} photographs under {lost}; {AGAIN}")
    return Run(place, meta, conditions, system)


def _conditions(rows: Sequence[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(row["condition"] for row in rows))


def _images(rows: Sequence[Mapping[str, str]]) -> Images:
    """The rows of one condition as arrays. Raises ValueError where a photograph lacks a draw or has one twice."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    draws = sorted({int(row.get("draw") or 0) for row in rows})
    position = {(name, draw): (i, k) for i, name in enumerate(names) for k, draw in enumerate(draws)}
    places = [position[row["name"], int(row.get("draw") or 0)] for row in rows]
    if len(set(places)) != len(position) or len(places) != len(position):
        raise ValueError(f"{len(places)} rows for {len(names)} photographs and {len(draws)} draws")
    index = tuple(np.array(places).T)
    columns = {}
    for key in rows[0].keys() - {"system", "condition", "name", "draw"}:
        columns[key] = np.full((len(names), len(draws)), np.nan)
        columns[key][index] = [float(row[key] or "nan") for row in rows]
    return Images(tuple(from_cell(name) for name in names), columns)


def require_same_test(systems: Sequence[System], conditions: Sequence[str]) -> None:
    """Refuse results that were not measured on the same photographs, degradations and rules.

    Raises:
        UserError: naming the first two that differ, and in what.
    """
    first, *others = (run for system in systems for run in system.runs)
    ignored = {"degradation"} if "degraded" not in conditions else set()
    for run in others:
        for key, ours, theirs in differences(first.meta["protocol"], run.meta["protocol"], ignored):
            raise UserError(
                f"{first.folder} and {run.folder} were not measured alike: {key} is {ours} there and {theirs} here; "
                "evaluate both with the same datasets.test, degradation and rules"
            )
        for condition in conditions:
            if run.conditions[condition].names != first.conditions[condition].names:
                raise UserError(f"{first.folder} and {run.folder} hold other photographs under {condition}; {AGAIN}")
