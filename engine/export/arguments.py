"""The arguments of ``predict.py`` for models as files for other programs."""

from __future__ import annotations

import argparse

FORMATS = ("onnx", "deepness")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser, as a group."""
    add = parser.add_argument_group("the model for other programs").add_argument
    add(
        "--export",
        choices=FORMATS,
        help="write the model as an ONNX file, and predict nothing; needs 'pip install onnx onnxruntime'. onnx: lr "
        "[1,3,h,w], RGB in [0,1], any sides -> restored, kernel, logits, probability. deepness: for the QGIS plugin "
        "Deepness, tiles of a fixed size -> crack probability at that size, with --threshold, --tile and --overlap, "
        "and restored only with --restore always",
    )
    add(
        "--resolution",
        type=float,
        metavar="CM",
        help="with --export deepness: centimetres per pixel of the map as the plugin is to hand it over, best the "
        "map's own (0.1)",
    )
