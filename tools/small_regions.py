"""What removing small regions would cost: ``python -m tools.small_regions`` looks at the true cracks of a test set."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table as markdown_table
from contracts.paths import user_path
from data.sources import Source
from engine.build.data import build_source
from engine.options.load import load_options
from engine.runtime.progress import Progress

AREAS = (10, 25, 50, 100, 150)
EXPLANATION = """\
postprocess.minimum_area (and --min-area of predict.py) calls regions of fewer pixels no crack. That raises scores where
there are more small false alarms than short true cracks, and an inspector pays for it with cracks that are no longer
reported. The table says for several areas how many of the true cracks, and of their pixels, would be lost if they
were found perfectly: a region is what is connected, diagonals included. With --mm-per-pixel it says what such an
area is on the surface.

  python -m tools.small_regions                                                         of options/joint.yml
  python -m tools.small_regions -opt options/mine.yml --areas 20 50 --mm-per-pixel 0.5
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for an area or a scale that means nothing."""
    parser = module_parser("tools.small_regions", __doc__, EXPLANATION)
    parser.add_argument("-opt", type=user_path, default=Path("options/joint.yml"), metavar="FILE", help="options file")
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="A:B=C", help="change options of the file")
    parser.add_argument("--areas", type=int, nargs="+", default=list(AREAS), metavar="PX", help="areas in pixels")
    parser.add_argument("--mm-per-pixel", type=float, metavar="MM", help="side of a pixel on the surface")
    chosen = parser.parse_args(arguments)
    if min(chosen.areas) < 1:
        raise UserError(f"--areas {min(chosen.areas)}: give areas of 1 pixel or more")
    if chosen.mm_per_pixel is not None and chosen.mm_per_pixel <= 0:
        raise UserError(f"--mm-per-pixel {chosen.mm_per_pixel}: give a length above 0")
    return chosen


def region_areas(mask: NDArray) -> NDArray[np.int64]:
    """Pixels of each 8-connected region of a mask [H,W] (crack from 0.5 on)."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((mask >= 0.5).astype(np.uint8), connectivity=8)
    return stats[1:, cv2.CC_STAT_AREA].astype(np.int64)


def true_areas(source: Source) -> NDArray[np.int64]:
    """Pixels of each region of all masks of a source."""
    with Progress(len(source), "looking at masks") as bar:
        areas = []
        for index in range(len(source)):
            areas.append(region_areas(source.load(index)[1]))
            bar.update()
    return np.concatenate(areas)


def table(areas: NDArray[np.int64], limits: Iterable[int], mm_per_pixel: float | None = None) -> str:
    """A line of Markdown for each limit: how many of the regions, and of their pixels, are smaller."""
    rows = []
    for limit in sorted(set(limits)):
        small = areas[areas < limit]
        surface = "-" if mm_per_pixel is None else f"{limit * mm_per_pixel**2:.4g} mm2"
        lost = f"{len(small)} of {len(areas)} ({len(small) / len(areas):.0%})"
        rows.append((limit, surface, lost, f"{small.sum() / areas.sum():.1%}"))
    return markdown_table(("fewer pixels than", "on the surface", "true cracks lost", "their pixels"), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parse(arguments)
    options = load_options(chosen.opt, chosen.force_yml)
    if options.datasets.test is None:
        raise UserError(f"{chosen.opt}: no datasets.test to look at; add it, or give another file with -opt")
    areas = true_areas(build_source(options.datasets.test, "datasets.test"))
    if not areas.size:
        raise UserError(f"{chosen.opt}: the masks of datasets.test are all empty; there is no crack to lose")
    print(table(areas, chosen.areas, chosen.mm_per_pixel))


if __name__ == "__main__":
    run_main(main)
