"""TIFF files that Pillow does not read, or only in part: several pages, many bands, 16 bits in colour, floats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.orientation import ORIENTATION_TAG

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile
    from tifffile import TiffFile, TiffPage

WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLES, EXTRA, NODATA = 256, 257, 258, 262, 277, 338, 42113
RGB = 2  # of PHOTOMETRIC
ALPHA = (1, 2)  # extra samples that are opacity: premultiplied, or not
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def tags_of(image: Image.Image) -> ImageFileDirectory_v2:
    """The tags of the current page of an opened TIFF."""
    return cast("TiffImageFile", image).tag_v2


def seek_largest_page(image: Image.Image) -> tuple[str, ...]:
    """Go to the page of an opened TIFF with the most pixels, the first of several; a note if there is a choice."""
    pages = getattr(image, "n_frames", 1)
    if pages == 1:
        return ()
    areas = []
    for page in range(pages):
        image.seek(page)
        areas.append(stored_size(image)[0] * stored_size(image)[1])
    image.seek(int(np.argmax(areas)))
    return (f"{pages} pages: page {int(np.argmax(areas)) + 1}, the largest, is read",)


def stored_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of the current page as stored: versions of Pillow differ in when they turn it."""
    return tags_of(image)[HEIGHT], tags_of(image)[WIDTH]


def needs_tifffile(image: Image.Image) -> bool:
    """Whether Pillow would lose bits of an opened TIFF: it reads colour with 8 bits only."""
    tags = tags_of(image)
    return tags.get(SAMPLES, 1) > 1 and max(tags.get(BITS, (1,))) > 8


def spare_bands(image: Image.Image) -> tuple[str, ...]:
    """A note where an opened TIFF has bands beside red, green, blue and opacity; Pillow leaves them out."""
    tags = tags_of(image)
    spare = any(kind not in ALPHA for kind in tags.get(EXTRA, ()))
    return (bands_note(tags[SAMPLES]),) if spare and tags.get(PHOTOMETRIC) == RGB else ()


def nodata_value(text: object) -> float | None:
    """The number in GDAL's tag for pixels without data, if there is one."""
    try:
        return float(str(text).strip("\0 "))
    except ValueError:
        return None


def is_tiff(path: Path) -> bool:
    """Whether a file starts as TIFF and BigTIFF files do."""
    with path.open("rb") as file:
        return file.read(4) in TIFF_STARTS


def read_tiff(path: Path) -> tuple[NDArray, NDArray | None, int, float | None, tuple[str, ...]]:
    """Read the largest page: (values [H,W] or [H,W,3], opacity [H,W] or None, orientation, nodata value, notes).

    Raises ValueError with the reason where the file is damaged, or compressed in a way that needs another package.
    """
    import tifffile  # few files need it

    try:
        with tifffile.TiffFile(path) as file:
            page = _largest_page(file)
            number, count = page.index + 1, len(file.pages)
            values = _values(page, path)
            axes, extra = page.axes, [int(kind) for kind in page.extrasamples]
            tags = {code: page.tags[code].value for code in (ORIENTATION_TAG, NODATA) if code in page.tags}
    except Exception as error:  # damaged bytes make the parser raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        repair = "; 'pip install imagecodecs' adds what is missing" if "imagecodecs" in reason else ""
        raise ValueError(f"{reason}{repair}") from None
    if "S" in axes:
        values = np.moveaxis(values, axes.index("S"), -1)
    values = values.reshape(*values.shape[-3:]) if "S" in axes else np.squeeze(values)
    notes = (f"{count} pages: page {number}, the largest, is read",) if count > 1 else ()
    colour, opacity, more = _bands(values, extra)
    orientation = int(tags.get(ORIENTATION_TAG, 1))
    return colour, opacity, orientation, nodata_value(tags.get(NODATA)), notes + more


def _largest_page(file: TiffFile) -> TiffPage:
    """The page with the most pixels, the first of several."""
    import tifffile

    pages = (page for page in file.pages if isinstance(page, tifffile.TiffPage))  # a TiffFrame is part of a series
    return max(pages, key=lambda page: page.imagelength * page.imagewidth)


def _values(page: TiffPage, path: Path) -> NDArray:
    """The array of a page; by OpenCV, which knows RGB alone, where tifffile lacks the codec."""
    try:
        return page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error) or page.photometric != RGB:
            raise
        _, pages = cv2.imdecodemulti(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        stored = pages[page.index]  # [H,W,3] BGR, or with opacity
        return np.concatenate([stored[:, :, 2::-1], stored[:, :, 3:]], axis=2)


def read_tiff_size(path: Path) -> tuple[int, int, int]:
    """(height, width, orientation) of the largest page, from the headers. Raises ValueError for what is no TIFF."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = _largest_page(file)
            tag = page.tags.get(ORIENTATION_TAG)
            return page.imagelength, page.imagewidth, 1 if tag is None else int(tag.value)
    except Exception as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


def _bands(values: NDArray, extra: list[int]) -> tuple[NDArray, NDArray | None, tuple[str, ...]]:
    """Colour or grey, opacity as stored, and a note on bands that are neither. values: [H,W] or [H,W,C]."""
    if values.ndim == 2:
        return values, None, ()
    if values.ndim != 3:
        raise ValueError(f"an array of {values.ndim} dimensions is no photograph")
    bands = values.shape[2]
    alpha = next((bands - len(extra) + index for index, kind in enumerate(extra) if kind in ALPHA), None)
    opacity = None if alpha is None else values[:, :, alpha]
    if bands - (alpha is not None) < 3:
        return values[:, :, 0], opacity, ()
    if bands - (alpha is not None) == 3:
        return values[:, :, :3], opacity, ()
    return values[:, :, :3], opacity, (bands_note(bands),)


def bands_note(bands: int) -> str:
    """What is said of a file of more bands than colour and opacity take."""
    return f"{bands} bands: the first three are read as red, green and blue"
