"""A comparison from the command line's point of view: experiments in, tables and pictures out."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from comparison import tables
from comparison.analysis import LEAST_RESAMPLES, Comparison, Settings, compare, metrics_of, pairs
from comparison.pictures import pictures
from comparison.runs import read_system, require_same_test
from comparison.systems import Run, System
from contracts.errors import UserError
from contracts.files import write_table, write_text
from engine.runtime.experiment import put_in_place, require_writable, staging_for
from engine.runtime.progress import Progress
from visualization.drawing import save_all


def run(
    arguments: Sequence[str],
    conditions: Sequence[str] = (),
    metrics: Sequence[str] = (),
    *,
    all_pairs: bool = False,
    groups: Path | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    out: Path | None = None,
) -> Comparison:
    """Read, compare, print; write to a folder if one is given.

    Args:
        arguments: LABEL=FOLDER[,FOLDER...][:BASELINE] of each system, at least two.
        conditions: hr, clean, degraded; empty: those that all systems were measured under.
        metrics: empty: the usual ones.
        all_pairs: every system with every other, not with the first alone.
        groups: table (tab-separated: dataset, stem, group) of photographs that belong together; unset: that of the
            test photographs' root, if it has one.
        resamples: of bootstrap and permutations.
        seed: of both.
        out: folder for comparison.md, .csv, .tex, .json and pictures.

    Raises:
        UserError: for systems that cannot be read or compared, and a folder that cannot be written.
    """
    if len(arguments) < 2:
        raise UserError("give at least two systems as LABEL=FOLDER, the first the one to compare with")
    if resamples < LEAST_RESAMPLES or seed < 0:
        raise UserError(f"--resamples {resamples}, --seed {seed}: give at least {LEAST_RESAMPLES} and 0")
    if out is not None:
        _require_free(out)
    systems = [read_system(argument) for argument in arguments]
    _require_labels(systems)
    chosen = tuple(conditions) or _common(systems)
    for condition in chosen:
        for system in systems:
            if condition not in system.common_conditions():
                raise UserError(f"{system.label}: not evaluated under {condition}; run evaluate.py with --{condition}")
    require_same_test(systems, chosen)
    settings = Settings(chosen, tuple(metrics), all_pairs, resamples, seed, _groups(systems[0].runs[0], groups))
    metrics_in_all = sum(len(metrics_of(systems, condition, settings)) for condition in chosen)
    number = metrics_in_all * len(pairs(systems, all_pairs))
    with Progress(number, "comparing") as bar:
        comparison = compare(systems, settings, bar.update)
    print(tables.markdown(comparison))
    if out is not None:
        _write(comparison, out)
    return comparison


def _require_labels(systems: Sequence[System]) -> None:
    labels = [system.label for system in systems]
    twice = next((label for index, label in enumerate(labels) if label in labels[:index]), None)
    if twice is not None:
        raise UserError(f"two systems are called '{twice}'; give each a label of its own")


def _common(systems: Sequence[System]) -> tuple[str, ...]:
    common = [
        name for name in systems[0].common_conditions() if all(name in system.common_conditions() for system in systems)
    ]
    if not common:
        raise UserError("no condition that all systems were evaluated under; run evaluate.py --degraded on each")
    return tuple(common)


def _groups(run: Run, table: Path | None) -> dict[str, str]:
    """The group's name by photograph (DATASET/STEM); empty where there is no table."""
    path = table
    if path is None:
        root = run.meta.get("test_options", {}).get("root")
        path = Path(root) / "splits" / "groups.tsv" if root else None
        if path is None or not path.is_file():
            return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
        groups = {f"{dataset}/{stem}": group for dataset, stem, group in rows[1:]}
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--groups {path}: no table of dataset, stem and group ({reason})") from None
    tested = {name for images in run.conditions.values() for name in images.names}
    if table is not None and not tested & groups.keys():
        raise UserError(
            f"--groups {path}: names none of the photographs, such as {min(tested)}; DATASET and STEM differ"
        )
    return groups


def _require_free(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / "comparison.json").is_file()):
        raise UserError(f"--out {out} holds something else than a comparison; give a new folder")
    require_writable(out.absolute().parent if out.is_dir() else out.absolute(), "--out")


def _write(comparison: Comparison, out: Path) -> None:
    folder = out.absolute()
    staging = staging_for(folder)
    names = ("comparison.md", "comparison.csv", "comparison.tex", "comparison.json")
    try:
        write_text(staging / names[0], tables.markdown(comparison))
        write_table(staging / names[1], tables.records(comparison))
        write_text(staging / names[2], tables.latex(comparison))
        write_text(staging / names[3], json.dumps(tables.content(comparison), indent=2, allow_nan=False) + "\n")
    except BaseException:
        for name in names:
            (staging / name).unlink(missing_ok=True)
        if staging != folder:
            staging.rmdir()
        raise
    try:
        save_all({staging / name: picture for name, picture in pictures(comparison)})
    finally:
        moved = put_in_place(staging, folder)
    if moved is not None:
        print(f"moved the earlier comparison to {moved}")
    print(f"wrote {out}/comparison.md, .csv, .tex, .json and pictures")
