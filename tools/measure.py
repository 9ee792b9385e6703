"""Measure the cracks of masks or probability maps: ``python -m tools.measure MASKS_OR_MAPS``."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
from numpy.typing import NDArray

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_table, write_text
from contracts.markdown import table
from contracts.names import readable
from contracts.paths import user_path
from data.images import read_image
from engine.predict.scale import ScaleChoice, add_scale_arguments
from engine.runtime.progress import Progress
from metrics.crack_rows import FIGURES, Row, rows_of
from metrics.figure import Figure
from metrics.geometry import measure, total_length
from tools.score.files import LEAST_RANGES, named_files, probability, read_values, widen

EXPLANATION = """\
Length, width, direction and area of every crack, in pixels and, where a scale is given, in millimetres, each with a
standard uncertainty. Files are grey images of 8 or 16 bits, masks (0/1 or 0/255), or .npy arrays [H,W] of floats in
[0, 1]; their range is decided for the folder. docs/geometry.md says how it is measured, and how well.

examples:
  python -m tools.measure results/ --suffix _probability --mm-per-pixel 0.21 --json cracks.json --csv cracks.csv
  python -m tools.measure results/ --suffix _mask_x4 --photographs results/ --photograph-suffix _restored
      (in pixels of the restored photographs: --mm-per-pixel is a quarter of the photograph's)
  python -m tools.measure mask.png --distance 3 --focal-length 24 --sensor-width 36
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
    add("--min-length", type=float, default=0.0, metavar="PIXELS", help="leave out shorter cracks (unset: none)")
    add(
        "--photographs",
        type=user_path,
        metavar="FOLDER",
        help="of the photographs, of the maps' sizes: widths are taken across them where the crack is dark enough",
    )
    add("--photograph-suffix", default="", metavar="TEXT", help="ending of their stems, such as _restored")
    add("--json", type=user_path, metavar="FILE", help="write a list of the cracks; must not exist")
    add("--csv", type=user_path, metavar="FILE", help="the same as a table; must not exist")
    add_scale_arguments(parser, exif=False)
    args = parser.parse_args(arguments)
    if not 0 < args.threshold < 1:
        raise UserError(f"--threshold {args.threshold:g}: give a number between 0 and 1")
    if args.min_length < 0:
        raise UserError(f"--min-length {args.min_length:g}: give 0 pixels or more")
    for option, path in (("--json", args.json), ("--csv", args.csv)):
        if path is not None and path.exists():
            raise UserError(f"{option} {path} exists; give another file, or remove it")
    args.scale = ScaleChoice.taken_from(vars(args))
    return args


def files_of(source: Path, suffix: str) -> dict[str, Path]:
    """The files to measure by name. Raises UserError where there are none."""
    if source.is_file():
        return {readable(source.stem).removesuffix(suffix): source}
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


def photographs_of(files: Mapping[str, Path], folder: Path, suffix: str) -> dict[str, Path]:
    """The photograph of each map, by the map's name. Raises UserError where one is missing."""
    found = named_files(folder, suffix, "photographs", "--photograph-suffix")
    missing = [name for name in files if name not in found]
    if missing:
        ending = f"{missing[0]}{suffix}"
        raise UserError(f"--photographs {folder}: no photograph '{ending}'; see --photograph-suffix")
    return found


def _grey(path: Path, size: Sequence[int]) -> NDArray:
    """The brightness uint8 [H,W] of a photograph."""
    grey = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    if grey.shape != tuple(size):
        (height, width), theirs = size, "x".join(map(str, grey.shape[::-1]))
        raise UserError(f"{path}: is {theirs}, its map {width}x{height} pixels; give photographs of the maps' sizes")
    return grey


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    files = files_of(args.source, args.suffix)
    args.scale.check_number(len(files))
    photographs = args.photographs and photographs_of(files, args.photographs, args.photograph_suffix)
    ranges = dict(LEAST_RANGES)
    rows: list[Row] = []
    total, relative, unit = Figure(0, 0), 0.0, "px"
    with Progress(2 * len(files), "measuring") as bar:
        for path in files.values():
            widen(ranges, read_values(path))
            bar.update()
        for name, path in files.items():
            prob = probability(read_values(path), ranges)
            if (share := float((prob > args.threshold).mean())) > MOST:
                bar.write(f"'{name}': {share:.0%} of it is above the threshold; is it inverted, or a photograph?")
            cracks = measure(prob, args.threshold, _grey(photographs[name], prob.shape) if photographs else None)
            kept = [c for c in cracks if args.min_length == 0 or (c.length and c.length.value >= args.min_length)]
            scale = args.scale.of(None, *prob.shape)
            rows += rows_of(name, kept, scale)
            length = total_length(kept)
            if scale is not None:
                length, relative, unit = length.times(scale.mm_per_pixel), max(relative, scale.relative), "mm"
            total = Figure(total.value + length.value, math.hypot(total.uncertainty, length.uncertainty))
            bar.update()
    unmeasured = sum(bool(row["reason"]) for row in rows)
    if len(rows) > unmeasured:
        print(_summary(rows, unit))
    total = total.times(1, relative)  # the scale is wrong for all of them alike
    print(f"{len(files)} images, {len(rows)} cracks, {total.value:.1f} ± {total.uncertainty:.1f} {unit} long in all")
    if unmeasured:
        print(f"{unmeasured} of them are too small to be measured (their reason is in --json and --csv)")
    if args.json is not None:
        write_text(args.json, json.dumps(rows, indent=1, allow_nan=False) + "\n")
    if args.csv is not None:
        write_table(args.csv, rows)


if __name__ == "__main__":
    run_main(main)
