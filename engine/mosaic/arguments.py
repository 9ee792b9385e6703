"""The arguments of ``predict.py`` for mosaics; quick to import."""

from __future__ import annotations

import argparse


def add_mosaics(parser: argparse.ArgumentParser) -> None:
    """The arguments of mosaics alone."""
    told = (
        "GeoTIFF files give STEM_mask.tif (cloud-optimised), STEM_cracks.gpkg and STEM_cracks.geojson (centrelines\n"
        "with lengths and widths), in memory of constant size; --restore auto means never: docs/mosaics.md.\n"
        "Their scale comes from the coordinate system, or --mm-per-pixel. They need\n"
        "'pip install rasterio pyogrio shapely skan'"
    )
    add = parser.add_argument_group("orthomosaics", told).add_argument
    add(
        "--mosaic",
        choices=("auto", "always", "never"),
        default="auto",
        help="take files as mosaics; auto: TIFF files with a georeference, or of more than 100 megapixels",
    )
    add("--probability", action="store_true", help="also write STEM_probability.tif")
