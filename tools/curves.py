"""Learning curves of experiments over what their trainings cost, as a PNG: ``python -m tools.curves``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.paths import user_path
from engine.runtime.experiment import require_writable
from tracking import keys
from tracking.metrics_log import read_metrics
from visualization.lines import Line, lines

EXPLANATION = """\
Each curve is LABEL=FOLDER[,FOLDER...], FOLDER being an experiment whose training validated (val.val_freq); several
folders are the same experiment with other seeds: the line is their mean, the band reaches from the least to the most.

  python -m tools.curves bicubic=experiments/v_bicubic joint=experiments/v_joint --out curves.png
  python -m tools.curves bicubic=experiments/b_s1,experiments/b_s2 joint=experiments/j_s1,experiments/j_s2 \\
      --metric val/degraded/dice --over multiply_adds --out curves.png
"""
OVER = {  # key of the log, what one unit of the axis is in it, and the axis' text
    "hours": (keys.TRAIN_SECONDS, 3600.0, "training time / h"),
    "multiply_adds": (keys.TRAIN_MULTIPLY_ADDS, 1e12, "multiply-adds of the training / 10$^{12}$"),
    "steps": (keys.STEP, 1.0, "training step"),
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.curves", __doc__, EXPLANATION)
    parser.add_argument("--metric", default="val/degraded/aiu", help="key of metrics.jsonl (unset: val/degraded/aiu)")
    parser.add_argument("--over", choices=OVER, default="hours", help="horizontal axis (unset: hours)")
    parser.add_argument("--out", type=user_path, required=True, help="PNG file to write; must not exist")
    parser.add_argument("curves", nargs="+", metavar="LABEL=FOLDER", help="curves in order")
    return parser.parse_args(arguments)


def read_line(folder: Path, metric: str, over: str) -> Line:
    """A metric of a training over what it cost until then.

    Args:
        folder: of the experiment.
        metric: key of its metrics.jsonl.
        over: a key of ``OVER``.

    Raises:
        UserError: for a folder without a log, a metric that is not in it, and logs of versions that kept no cost.
    """
    path = folder / "metrics.jsonl"
    entries = read_metrics(path)
    if not entries:
        raise UserError(f"{folder}: no metrics.jsonl with entries; give the folder of an experiment")
    measured = [entry for entry in entries if metric in entry]
    if not measured:
        known = sorted({key for entry in entries for key in entry if key.startswith("val/")})
        there = f"there are {', '.join(known)}" if known else "the training did not validate; set val.val_freq"
        raise UserError(f"{path}: no '{metric}'; {there}")
    key, unit, _ = OVER[over]
    if any(key not in entry for entry in measured):
        raise UserError(f"{path}: '{key}' was not kept (compiled networks, or an earlier version); give --over steps")
    positions, values = (np.array([entry[name] for entry in measured], float) for name in (key, metric))
    return positions / unit, values


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.out.suffix.lower() != ".png":
        raise UserError(f"--out {args.out}: give a file that ends in .png")
    if args.out.exists():
        raise UserError(f"--out {args.out} exists; give another file, or remove it")
    systems: dict[str, list[Line]] = {}
    for curve in args.curves:
        label, _, folders = curve.partition("=")
        if not label or not folders or label in systems:
            raise UserError(f"'{curve}': write a curve as LABEL=FOLDER[,FOLDER...], each label once")
        systems[label] = [read_line(user_path(folder), args.metric, args.over) for folder in folders.split(",")]
    require_writable(args.out.parent, "--out")
    lines(systems, OVER[args.over][2], args.metric.removeprefix("val/"), args.out)
    for label, trainings in systems.items():
        best = ", ".join(f"{values.max():.4f} at {positions[values.argmax()]:.4g}" for positions, values in trainings)
        print(f"{label}: best {args.metric} {best} ({args.over})")
    print(args.out)


if __name__ == "__main__":
    run_main(main)
