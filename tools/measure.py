"""Measure the cracks of masks or probability maps: ``python -m tools.measure MASKS_OR_MAPS``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_table, write_text
from contracts.markdown import table
from contracts.names import readable
from contracts.paths import user_path
from engine.runtime.progress import Progress
from metrics.crack_rows import FIGURES, Row, rows_of
from metrics.geometry import Crack, measure, total_length
from metrics.scale import Scale
from tools.score.files import LEAST_RANGES, named_files, probability, read_values, widen

EXPLANATION = """\
Length, width, direction and area of every crack, in pixels and, with --mm-per-pixel, in millimetres, each with a
standard uncertainty. Files are grey images of 8 or 16 bits, masks (0/1 or 0/255), or .npy arrays [H,W] of floats in
[0, 1]; their range is decided for the folder. docs/geometry.md says how it is measured, and how well.

examples:
  python -m tools.measure results/ --suffix _probability --mm-per-pixel 0.21 --json cracks.json --csv cracks.csv
  python -m tools.measure mask.png
"""
SHOWN = 20  # cracks on the screen
MOST = 0.4  # of a photograph: no crack covers more


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for numbers out of range and files that exist."""
    parser = module_parser("tools.measure", __doc__, EXPLANATION)
    add = parser.add_argument
    add(
        "source", type=user_path, metavar="MASKS_OR_MAPS", help="a file, or a folder that is searched with all below it"
    )
    add("--suffix", default="", metavar="TEXT", help="ending of the stems in a folder; files without it do not count")
    add("--threshold", type=float, default=0.5, metavar="T", help="crack where a map is above it (unset: 0.5)")
    add("--mm-per-pixel", type=float, metavar="X", help="scale of the photographs; adds millimetres")
    add("--scale-uncertainty", type=float, default=0.0, metavar="PERCENT", help="standard uncertainty of it (unset: 0)")
    add("--min-length", type=float, default=0.0, metavar="PIXELS", help="leave out shorter cracks (unset: none)")
    add("--json", type=user_path, metavar="FILE", help="write a list of the cracks; must not exist")
    add("--csv", type=user_path, metavar="FILE", help="the same as a table; must not exist")
    args = parser.parse_args(arguments)
    if not 0 < args.threshold < 1:
        raise UserError(f"--threshold {args.threshold:g}: give a number between 0 and 1")
    if args.mm_per_pixel is not None and not 0 < args.mm_per_pixel < float("inf"):
        raise UserError(f"--mm-per-pixel {args.mm_per_pixel:g}: give a positive number")
    if args.min_length < 0 or not 0 <= args.scale_uncertainty <= 100:
        raise UserError("--min-length and --scale-uncertainty: give 0 or more, and at most 100 percent")
    if args.scale_uncertainty and args.mm_per_pixel is None:
        raise UserError("--scale-uncertainty: give --mm-per-pixel, too")
    for option, path in (("--json", args.json), ("--csv", args.csv)):
        if path is not None and path.exists():
            raise UserError(f"{option} {path} exists; give another file, or remove it")
    return args


def files_of(source: Path, suffix: str) -> dict[str, Path]:
    """The files to measure by name. Raises UserError where there are none."""
    if source.is_file():
        return {readable(source.stem): source}
    return named_files(source, suffix, "masks or maps", "--suffix")


def _summary(rows: Sequence[Row], unit: str) -> str:
    """The longest cracks as a Markdown table."""
    known = sorted((row for row in rows if not row["reason"]), key=lambda row: -float(str(row["length_px"])))
    heading = ("image", "crack", *(f"{figure.replace('_', ' ')} / {unit}" for figure in FIGURES), "orientation")
    lines = []
    for row in known[:SHOWN]:
        cells = (f"{row[f'{figure}_{unit}']:.2f} ± {row[f'{figure}_{unit}_uncertainty']:.2f}" for figure in FIGURES)
        lines.append((row["image"], row["crack"], *cells, f"{row['orientation']:.0f}°"))
    more = f"\n{len(known) - SHOWN} shorter ones are not shown; see --csv" if len(known) > SHOWN else ""
    return table(heading, lines) + more


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    files = files_of(args.source, args.suffix)
    scale = None if args.mm_per_pixel is None else Scale(args.mm_per_pixel, args.scale_uncertainty / 100)
    ranges = dict(LEAST_RANGES)
    rows: list[Row] = []
    lengths: list[Crack] = []
    with Progress(2 * len(files), "measuring") as bar:
        for path in files.values():
            widen(ranges, read_values(path))
            bar.update()
        for name, path in files.items():
            prob = probability(read_values(path), ranges)
            if (share := float((prob > args.threshold).mean())) > MOST:
                bar.write(f"'{name}': {share:.0%} of it is above the threshold; is it inverted, or a photograph?")
            cracks = measure(prob, args.threshold)
            kept = [c for c in cracks if args.min_length == 0 or (c.length and c.length.value >= args.min_length)]
            rows += rows_of(name, kept, scale)
            lengths += kept
            bar.update()
    unmeasured = sum(bool(row["reason"]) for row in rows)
    unit = "px" if scale is None else "mm"
    if len(rows) > unmeasured:
        print(_summary(rows, unit))
    total = total_length(lengths)
    if scale is not None:
        total = scale.of(total)
    print(f"{len(files)} images, {len(rows)} cracks, {total.value:.1f} ± {total.uncertainty:.1f} {unit} long in all")
    if unmeasured:
        print(f"{unmeasured} of them are too small to be measured (their reason is in --json and --csv)")
    if args.json is not None:
        write_text(args.json, json.dumps(rows, indent=1, allow_nan=False) + "\n")
    if args.csv is not None:
        write_table(args.csv, rows)


if __name__ == "__main__":
    run_main(main)
