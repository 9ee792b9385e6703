"""Groups of arguments of ``predict.py``; quick to import."""

from __future__ import annotations

import argparse

from contracts.errors import UserError
from contracts.paths import user_path
from engine.predict.scale import NAMES, add_scale_arguments

OPTIONS = {"out": "-o", "minimum_area": "--min-area", "minimum_length": "--min-length"}  # named otherwise than values
FOR_FILES = ("resume", "rle", "coco", "yolo", "geojson", "mosaic", "probability")
FOR_RESULTS = (*FOR_FILES, "bits", "measure", "minimum_length", *NAMES)
FOR_MASKS = ("restore", "threshold", "tile", "overlap")
UNUSED = {  # what a page or a model as a file has no use for
    "--serve": ("out", "overwrite", "restore", *FOR_RESULTS),
    "--export onnx": ("minimum_area", *FOR_MASKS, *FOR_RESULTS),
    "--export deepness": ("minimum_area", *FOR_RESULTS),
}


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """The arguments about lengths and widths."""
    add = parser.add_argument_group("how long, how wide (needs 'pip install skan'; docs/geometry.md)").add_argument
    add(
        "--measure",
        action="store_true",
        help="measure every crack, in pixels of the photograph: writes summary.csv and STEM_cracks.json, and colours "
        "the overlay by width; --min-length, --geojson and a scale ask for it as well",
    )
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
    add_scale_arguments(parser)


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


def check_together(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse what contradicts ``--serve`` or ``--export``, or would count for nothing beside them.

    Args:
        parser: that knows what the values are unless given.
        given: what it made of a command line.

    Raises:
        UserError: naming the option.
    """
    target, first = given.export, next(iter(given.inputs), None)
    if target is not None and given.serve:
        raise UserError("--export and --serve: give one of them")
    if target != "deepness" and given.resolution is not None:
        raise UserError(f"--resolution {given.resolution:g}: only files of --export deepness have one; leave it out")
    if target is None and not given.serve:
        return
    if target is not None and first is not None:
        raise UserError(f"{first}: --export writes the model and takes no photographs; leave one of them out")
    if target is not None and given.precision == "bfloat16":
        raise UserError("--precision bfloat16: a model is exported in float32; leave --precision out")
    if target is not None and given.runtime != "auto":
        raise UserError("--runtime: chooses what predicts; leave it out with --export")
    if first is not None:
        raise UserError(f"{first}: --serve takes photographs on its page; leave one of them out")
    way = "--serve" if given.serve else f"--export {target}"
    for name in UNUSED[way]:
        if getattr(given, name) != parser.get_default(name):
            option = OPTIONS.get(name, f"--{name.replace('_', '-')}")
            more = " and choose it on the page" if (way, name) == ("--serve", "restore") else ""
            raise UserError(f"{option} counts for nothing with {way}; leave it out{more}")
