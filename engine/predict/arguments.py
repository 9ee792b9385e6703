"""Groups of arguments of ``predict.py``; quick to import."""

from __future__ import annotations

import argparse

from contracts.paths import user_path


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """The arguments about lengths and widths."""
    add = parser.add_argument_group("how long, how wide (needs 'pip install skan'; docs/geometry.md)").add_argument
    add(
        "--measure",
        action="store_true",
        help="measure every crack, in pixels of the photograph: writes summary.csv and STEM_cracks.json, and colours "
        "the overlay by width; --mm-per-pixel, --min-length and --geojson ask for it as well",
    )
    add("--mm-per-pixel", type=float, metavar="X", help="scale of the photographs; adds millimetres")
    add("--scale-uncertainty", type=float, metavar="PERCENT", help="standard uncertainty of it (unset: 0)")
    add(
        "--min-length",
        dest="minimum_length",
        type=float,
        metavar="PX",
        help="leave out shorter cracks, always in pixels of the photograph: from masks, overlay and tables alike",
    )
    add(
        "--geojson",
        action="store_true",
        help="also write STEM_cracks.geojson: centrelines as lines, in pixels, with y up as QGIS lays a picture",
    )


def add_exchange(parser: argparse.ArgumentParser) -> None:
    """The arguments about masks in other formats."""
    add = parser.add_argument_group("masks for other programs").add_argument
    add(
        "--rle",
        type=user_path,
        metavar="FILE",
        help="write masks as a CSV file of runs (ImageId,EncodedPixels; down the columns, from 1)",
    )
    add("--coco", type=user_path, metavar="FILE", help="write a COCO data set (.json): each crack an object, as runs")
    add(
        "--yolo",
        type=user_path,
        metavar="DIR",
        help="write polygons of YOLO: DIR/STEM.txt for each photograph, holes joined to the outline by a cut",
    )
