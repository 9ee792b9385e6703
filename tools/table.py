"""Lay the results of experiments side by side as a Markdown table: ``python -m tools.table``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from contracts.errors import UserError, run_main
from metrics import names
from tracking.metrics_log import read_metrics

EXPLANATION = """\
Each row is LABEL=FOLDER or LABEL=FOLDER:classical, FOLDER being an experiment that evaluate.py has been
run on (or a folder of results). A cell holds the figures under hr / clean / degraded; '-' where a
condition was not evaluated. The last column is the wall time of the training, from metrics.jsonl.

example:
  python -m tools.table "bicubic=experiments/cfd_bicubic" "joint=experiments/cfd_joint" \\
      "classical=experiments/cfd_bicubic:classical"
"""
CONDITIONS = ("hr", "clean", "degraded")
COLUMNS = (
    (names.DICE, "Dice", ".3f"),
    (names.IOU_MAX, "IoU_max", ".3f"),
    (names.AIU, "AIU", ".3f"),
    (names.HD95, "HD95 / px", ".0f"),
    (names.CLIOU, "clIoU", ".3f"),
    (names.PSNR, "PSNR / dB", ".2f"),
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.table", description=__doc__, epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="+", metavar="LABEL=FOLDER", help="rows of the table, in order")
    return parser.parse_args(arguments)


def read_results(folder: Path) -> dict[str, Any]:
    """The results.json of an experiment or of a results folder. Raises UserError where there is none to read."""
    for path in (folder / "results" / "results.json", folder / "results.json"):
        if path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                raise UserError(f"{path} is no results file (not valid JSON); run evaluate.py again") from None
    raise UserError(f"{folder}: no results.json; run evaluate.py on it first")


def training_minutes(folder: Path) -> float | None:
    """Wall minutes between the first and the last entry of the training log, None without a log."""
    entries = read_metrics(folder / "metrics.jsonl")
    return (entries[-1]["time"] - entries[0]["time"]) / 60 if len(entries) > 1 else None


def row(argument: str) -> str:
    """One line of the table from LABEL=FOLDER[:classical]. Raises UserError for another form."""
    label, equals, place = argument.rpartition("=")
    if not equals or not label:
        raise UserError(f"'{argument}': write a row as LABEL=FOLDER")
    place, _, system = place.partition(":")
    if system not in ("", "classical"):
        raise UserError(f"'{argument}': only ':classical' may follow the folder")
    results = read_results(Path(place))
    figures = results.get("classical", {}) if system else results
    minutes = None if system else training_minutes(Path(place))
    cells = [" / ".join(_figure(figures.get(c, {}), key, form) for c in CONDITIONS) for key, _, form in COLUMNS]
    return "| " + " | ".join([label, *cells, "-" if minutes is None else f"{minutes:.0f} min"]) + " |"


def _figure(figures: dict[str, float], key: str, form: str) -> str:
    return format(figures[key], form) if key in figures else "-"


def main() -> None:
    arguments = parse()
    print("| hr / clean / degraded | " + " | ".join(title for _, title, _ in COLUMNS) + " | training |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for argument in arguments.rows:
        print(row(argument))


if __name__ == "__main__":
    run_main(main)
