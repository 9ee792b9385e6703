"""Lay the results of experiments side by side as a Markdown table: ``python -m tools.table``."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.command_line import module_parser
from contracts.errors import UserError, lookup, run_main
from contracts.markdown import table as markdown_table
from metrics import names
from metrics.baselines import BASELINES
from metrics.earlier import named_as_today
from tracking.metrics_log import read_metrics

EXPLANATION = """\
Each row is LABEL=FOLDER or LABEL=FOLDER:BASELINE (classical, all_crack), FOLDER being an experiment that
evaluate.py has been run on (or a folder of results). A cell holds the figures under hr / clean / degraded; '-' where a
condition was not evaluated. clIoU is that of OmniCrack30k, pooled; clIoU_pred, the mean over photographs counted on the
predicted centreline, is what results of before call cliou. A label is followed by the regions that were removed, if
any: headline figures are without that. The last column is the wall time of the training, from metrics.jsonl.
FOLDER,FOLDER,... are the same experiment with other seeds: mean and standard deviation (over n - 1).

example:
  python -m tools.table "bicubic=experiments/cfd_bicubic" "joint=experiments/cfd_joint" \\
      "classical=experiments/cfd_bicubic:classical"
  python -m tools.table --condition degraded "joint=experiments/cfd_joint,experiments/cfd_joint_s2"
"""
CONDITIONS = ("hr", "clean", "degraded")
COLUMNS = (
    (names.DICE, "Dice", ".3f"),
    (names.IOU_MAX, "IoU_max", ".3f"),
    (names.AIU, "AIU", ".3f"),
    (names.HD95, "HD95 / px", ".0f"),
    (names.CLIOU, "clIoU", ".3f"),
    (names.CLIOU_PREDICTED, "clIoU_pred", ".3f"),
    (names.PSNR, "PSNR / dB", ".2f"),
)
OF_KERNELS = (names.KERNEL_PSNR, "kernel PSNR / dB", ".1f")  # a column where a row's network estimates one
Results = list[dict[str, Any]]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.table", __doc__, EXPLANATION)
    parser.add_argument(
        "--condition", action="append", choices=CONDITIONS, help="what a cell holds; may be repeated (unset: all three)"
    )
    parser.add_argument("rows", nargs="+", metavar="LABEL=FOLDER", help="rows of the table, in order")
    return parser.parse_args(arguments)


def read_results(folder: Path) -> dict[str, Any]:
    """The results.json of an experiment or of a results folder. Raises UserError where there is none to read."""
    for path in (folder / "results" / "results.json", folder / "results.json"):
        if path.is_file():
            try:
                return named_as_today(json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError, AttributeError):
                raise UserError(f"{path} is no results file (not valid JSON); run evaluate.py again") from None
    raise UserError(f"{folder}: no results.json; run evaluate.py on it first")


def training_minutes(folder: Path) -> float | None:
    """Wall minutes between the first and the last entry of the training log, None without a log."""
    entries = read_metrics(folder / "metrics.jsonl")
    return (entries[-1]["time"] - entries[0]["time"]) / 60 if len(entries) > 1 else None


def table(arguments: Sequence[str], conditions: Sequence[str] = CONDITIONS) -> str:
    """The table of LABEL=FOLDER[,FOLDER...][:BASELINE], a row each. Raises UserError for another form."""
    rows = [_read(argument) for argument in arguments]
    estimates = any(names.KERNEL_PSNR in run.get(c, {}) for _, runs, _ in rows for run in runs for c in conditions)
    columns = (*COLUMNS, *((OF_KERNELS,) if estimates else ()))
    heading = (" / ".join(conditions), *(title for _, title, _ in columns), "training")
    lines = []
    for label, runs, training in rows:
        cells = (
            " / ".join(_figure([run.get(c, {}) for run in runs], key, form) for c in conditions)
            for key, _, form in columns
        )
        lines.append((label, *cells, training))
    return markdown_table(heading, lines)


def _read(argument: str) -> tuple[str, Results, str]:
    """Label, results of each training, and how long one took, of LABEL=FOLDER[,FOLDER...][:BASELINE]."""
    label, equals, source = argument.rpartition("=")
    if not equals or not label:
        raise UserError(f"'{argument}': write a row as LABEL=FOLDER")
    source, _, system = source.partition(":")
    if system:
        lookup(BASELINES, system, "baseline")
    folders = [Path(folder) for folder in source.split(",")]
    results = [read_results(folder) for folder in folders]
    runs = [result.get(system, {}) if system else result for result in results]
    minutes = [] if system else [duration for folder in folders if (duration := training_minutes(folder)) is not None]
    areas = {result.get("meta", {}).get("protocol", {}).get("minimum_area", 0) for result in results} - {0}
    label += "".join(f" (regions under {area} px removed)" for area in sorted(areas))
    return label, runs, f"{statistics.mean(minutes):.0f} min" if minutes else "-"


def _figure(runs: list[dict[str, float]], key: str, form: str) -> str:
    """One run's figure, or the mean and standard deviation of several; '-' unless all of them have it."""
    values = [run[key] for run in runs if key in run]
    if len(values) < len(runs):
        return "-"
    spread = f" ± {statistics.stdev(values):{form}}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{spread}"


def main() -> None:
    arguments = parse()
    print(table(arguments.rows, arguments.condition or CONDITIONS))


if __name__ == "__main__":
    run_main(main)
