"""Which of the files given are mosaics: TIFF files with a place on the map, and very large ones."""

from __future__ import annotations

import struct
from pathlib import Path

import tifffile

from contracts.errors import UserError

CHOICES = ("auto", "always", "never")
LARGE = 100.0  # megapixels; a photograph of that size needs 5 GB, a mosaic of any size less than one
SUFFIXES = (".tif", ".tiff")
PIXEL_SCALE, TIEPOINTS, TRANSFORM, KEYS = 33550, 33922, 34264, 34735  # tags (OGC 19-008r4, GeoTIFF 1.1)


def split(inputs: list[Path], choice: str) -> tuple[list[Path], list[Path]]:
    """Mosaics and photographs among the files given; what is in folders is a photograph.

    Args:
        inputs: files and folders.
        choice: "auto": TIFF files with a georeference or of more than ``LARGE`` megapixels are mosaics; "always": all
            files are; "never": none is.

    Raises:
        UserError: for folders with "always", and for mosaics beside photographs.
    """
    if choice == "never":
        return [], inputs
    if choice == "always":
        folders = [path for path in inputs if path.is_dir()]
        if folders:
            raise UserError(f"--mosaic always: {folders[0]} is a folder; name the files")
        return inputs, []
    mosaics = [path for path in inputs if is_mosaic(path)]
    if mosaics and len(mosaics) < len(inputs):
        ways = "give them in two calls, or --mosaic never to take it as a photograph"
        raise UserError(f"{mosaics[0]} is a mosaic, and there are photographs beside it; {ways}")
    return (inputs, []) if mosaics else ([], inputs)


def is_mosaic(path: Path) -> bool:
    """Whether a file is one by itself; a file that cannot be read is none."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            tags = page.tags
            placed = KEYS in tags or TRANSFORM in tags or (PIXEL_SCALE in tags and TIEPOINTS in tags)
            return bool(placed or page.imagewidth * page.imagelength / 1e6 > LARGE)
    except (tifffile.TiffFileError, struct.error, OSError, ValueError, IndexError, AttributeError):
        return False
