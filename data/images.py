"""Reading photographs and masks: grey, RGBA, palette, 16 bit and EXIF-rotated files all come out alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from contracts.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2")
LOSSY_FORMATS = ("JPEG", "MPO", "WEBP")
FULL_RANGES = (1, 255, 65535)
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
ORIENTATION_TAG = 0x0112
TURNED = (5, 6, 7, 8)  # orientations that exchange height and width


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a photograph as uint8 [H,W,3], RGB, 0..255, turned upright by its EXIF orientation.

    16-bit files are reduced to 8 bits over their whole range, whatever part of it they use: v / 257
    (grey: rounded; colour: the high byte). Of several frames or pages the first is read.
    An alpha channel is dropped. Raises UserError naming a missing or unreadable file.
    """
    image = _open_upright(path)
    if image.mode[0] in "IF":  # one channel of more than 8 bits
        grey = np.rint(_deep_grey(image, path) / 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)  # [H,W,3]
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def read_mask(path: Path, binarise: bool = True) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Read a crack mask [H,W]: uint8 {0, 1}, or float32 in 0..1 where ``binarise`` is False.

    A pixel is crack where it exceeds half of the full range, which makes the grey edges of JPEG
    and anti-aliased masks decided. The full range is the smallest of 1, 255 and 65535 that holds
    the largest value of the file, so masks stored as 0/1 work; only 255 for JPEG and WebP, where a
    value of 1 is a trace of compression. Colour masks count by their largest channel, and
    transparent pixels by how opaque they are. An EXIF orientation is applied only where the mask
    file itself carries one. Raises UserError naming a missing or unreadable file.
    """
    image = _open_upright(path)
    lossy = image.format in LOSSY_FORMATS
    values = _mask_values(image, path)
    largest = float(values.max())
    full = 255 if lossy else next(limit for limit in FULL_RANGES if largest <= limit)
    if binarise:
        return (values * 2 > full).astype(np.uint8)
    return (values / full).astype(np.float32)


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels after EXIF orientation, from the header alone.

    An orientation that a PNG file holds behind its pixels is not seen (`read_image` applies it).
    Raises UserError naming a file that is missing or is no image.
    """
    with _open(path) as image:
        turned = _is_turned(image)
        if turned and image.format == "TIFF":  # versions of Pillow differ in when they turn these
            return read_image(path).shape[:2]
        width, height = image.size
        return (width, height) if turned else (height, width)


def is_turned(path: Path) -> bool:
    """Whether the file's EXIF orientation exchanges height and width."""
    with _open(path) as image:
        return _is_turned(image)


def list_images(path: Path | str) -> list[Path]:
    """Return the image files that ``path`` stands for: itself, or a folder's images by name.

    Hidden files and files of other kinds in a folder are passed over; sub-folders are not entered.
    Raises UserError for a missing path, a file that is no image, or a folder without images.
    """
    path = Path(path)
    if not path.is_dir():
        image_size(path)
        return [path]
    found = image_files(path)
    if not found:
        raise no_image(path)
    return found


def image_files(folder: Path) -> list[Path]:
    """Return the files directly in ``folder`` with an image suffix, sorted by name, hidden ones left out."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".") and entry.is_file()
    )


def no_image(folder: Path) -> UserError:
    """Return the error for a folder that holds no image."""
    return UserError(f"no image in folder '{folder}': it has to hold files of {', '.join(IMAGE_SUFFIXES)}")


def _open(path: Path) -> Image.Image:
    """Open a file up to its header."""
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise UserError(f"no such file: '{path}'; correct the path") from None
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def _open_upright(path: Path) -> Image.Image:
    """Decode a file (its first frame) and apply its EXIF orientation."""
    with _open(path) as image:
        try:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
        except UNREADABLE as error:
            raise _unreadable(path, error) from None
    return image


def _is_turned(image: Image.Image) -> bool:
    if image.format == "PNG" and not image.info.get("exif"):
        return False  # anything behind the pixels would cost decoding them
    return image.getexif().get(ORIENTATION_TAG) in TURNED


def _unreadable(path: Path, error: Exception) -> UserError:
    unknown = isinstance(error, Image.UnidentifiedImageError)
    reason = "not an image of a known format" if unknown else " ".join(str(error).split())
    return UserError(f"cannot read image '{path}': {reason}; replace or remove this file")


def _deep_grey(image: Image.Image, path: Path) -> NDArray[np.float64]:
    """Values [H,W] of a one-channel file of more than 8 bits, which must lie in 0..65535."""
    values = np.array(image).astype(np.float64)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise UserError(f"cannot read image '{path}': float or 32-bit values; save it with 8 or 16 bits")
    return values


def _mask_values(image: Image.Image, path: Path) -> NDArray[np.float64]:
    """Values [H,W] of a mask in the units of its file: largest colour channel times opacity."""
    if image.mode[0] in "IF":
        return _deep_grey(image, path)
    if image.mode in ("1", "L"):
        return np.array(image.convert("L")).astype(np.float64)
    pixels = np.array(image.convert("RGBA")).astype(np.float64)  # [H,W,4]
    return pixels[:, :, :3].max(axis=2) * (pixels[:, :, 3] / 255)
