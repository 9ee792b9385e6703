"""Reading photographs of any kind of file as they look, and listing those of a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import UserError
from data.decode import HEIF_SUFFIXES, READS_HEIF, Decoded, Unreadable, decode, from_pillow, header
from data.depth import fill, to_bytes

PLAIN_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2",
                  ".gif")  # fmt: skip
IMAGE_SUFFIXES = PLAIN_SUFFIXES + (HEIF_SUFFIXES if READS_HEIF else ())
NO_DOCUMENTS = ("thumbs.db", "desktop.ini")  # what systems leave in folders of pictures
OPAQUE = 0.5


@dataclass(frozen=True)
class Photograph:
    """A photograph as it looks.

    Attributes:
        pixels: RGB, uint8 [H,W,3]; transparent pixels have the colours around them.
        transparent: bool [H,W], or None where nothing is.
        notes: what had to be assumed to read the file.
    """

    pixels: NDArray[np.uint8]
    transparent: NDArray[np.bool_] | None
    notes: tuple[str, ...]


def read_photograph(path: Path, bits: int | None = None) -> Photograph:
    """Read a photograph, turned upright by its EXIF orientation, reduced to 8 bits.

    Grey, palette, CMYK and float files become RGB; of more than three bands the first three count. Pixels that are
    less than half opaque, or marked as no data, are transparent.

    Args:
        path: of the file.
        bits: the depth of values in 16-bit files; None: the smallest of 8, 10, 12, 14, 16 that holds them, with a note.

    Raises:
        UserError: naming a file that is missing, unreadable, or holds values that are no brightness.
    """
    return as_photograph(decode(path), path, bits)


def as_photograph(decoded: Decoded, path: Path | str, bits: int | None = None) -> Photograph:
    """What `read_photograph` makes of a decoded file.

    Args:
        decoded: the content of the file.
        path: of the file, for errors.
        bits: as of `read_photograph`.

    Raises:
        Unreadable: for values that are no brightness.
    """
    try:
        pixels, assumed = to_bytes(decoded.values, bits)
    except ValueError as error:
        raise Unreadable.because(path, str(error)) from None
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)  # [H,W,3]
    pixels = np.ascontiguousarray(pixels)
    notes = decoded.notes + assumed
    transparent = None if decoded.opacity is None else decoded.opacity < OPAQUE
    if transparent is None or not transparent.any():
        return Photograph(pixels, None, notes)
    if transparent.all():
        return Photograph(pixels, None, (*notes, "transparent everywhere: read as opaque"))
    return Photograph(fill(pixels, transparent), transparent, notes)


def photograph_of(image: NDArray | Image.Image, name: str = "the image") -> Photograph:
    """A photograph that is in memory already, as `read_photograph` makes of its file.

    Args:
        image: of Pillow, or an array, RGB [H,W,3] or grey [H,W]: uint8, floats in [0,1] (or to 255), or whole numbers
            of up to 16 bits.
        name: for errors.

    Raises:
        UserError: for another shape, and for values that are no brightness.
    """
    if isinstance(image, Image.Image):
        return as_photograph(from_pillow(image, name), name)
    values = np.asarray(image)
    shaped = values.ndim in (2, 3) and values.size and values.shape[2:] in ((), (3,))
    if values.dtype.kind not in "uif" or not shaped:
        kind = f"an array {values.dtype} {list(values.shape)}"
        raise UserError(f"{name}: {kind} is no photograph; give RGB [H,W,3], uint8 or float in [0,1]")
    try:
        return as_photograph(Decoded(values, None, 1, False), name)
    except Unreadable as error:
        raise UserError(error.what) from None


def read_image(path: Path, bits: int | None = None) -> NDArray[np.uint8]:
    """The pixels of `read_photograph`.

    Args:
        path: of the file.
        bits: as of `read_photograph`.

    Returns:
        RGB, uint8 [H,W,3].
    """
    return read_photograph(path, bits).pixels


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels after EXIF orientation, from the header alone.

    An orientation that a PNG file holds behind its pixels is not seen (`read_image` applies it).
    Raises UserError naming a file that is missing or is no image.
    """
    return header(path)[:2]


def list_images(path: Path | str) -> list[Path]:
    """Return the image files that ``path`` stands for: itself, or a folder's images by name.

    Hidden files and files of other kinds in a folder are passed over; sub-folders are not entered.
    Raises UserError for a missing path, a file that is no image, or a folder without images.
    """
    path = Path(path)
    if not path.is_dir():
        image_size(path)
        return [path]
    files = image_files(path)
    if not files:
        raise no_image(path)
    return files


def image_files(folder: Path) -> list[Path]:
    """Return the files directly in ``folder`` with an image suffix, sorted by name, hidden ones left out."""
    return sorted(entry for entry in _files(folder) if entry.suffix.lower() in IMAGE_SUFFIXES)


def passed_over(folder: Path) -> str:
    """The files directly in ``folder`` that `image_files` leaves out, counted by suffix: "2 .docx, 1 .heic"; or ""."""
    others = Counter(entry.suffix.lower() or "no suffix" for entry in _files(folder))
    counts = [(suffix, count) for suffix, count in sorted(others.items()) if suffix not in IMAGE_SUFFIXES]
    text = ", ".join(f"{count} {suffix}" for suffix, count in counts)
    needs_plugin = any(suffix in HEIF_SUFFIXES for suffix, _ in counts)
    return f"{text} (HEIC is read after 'pip install pillow-heif')" if needs_plugin else text


def no_image(folder: Path) -> UserError:
    """Return the error for a folder that holds no image."""
    others = passed_over(folder)
    listed = f"; passed over: {others}" if others else ""
    return UserError(f"no image in folder '{folder}': it has to hold files of {', '.join(IMAGE_SUFFIXES)}{listed}")


def _files(folder: Path) -> list[Path]:
    """The files of a folder that a person may have put there."""
    return [
        entry for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name.lower() not in NO_DOCUMENTS and entry.is_file()
    ]  # fmt: skip
