"""From the bytes of an image file to its values as stored, upright: what photographs and masks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import UserError
from data import tiff
from data.orientation import TURNED, orientation, upright

LOSSY_FORMATS = ("JPEG", "MPO", "WEBP", "HEIF", "AVIF")
HEIF_SUFFIXES = (".heic", ".heif")
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, MemoryError, cv2.error)
PNG_DEPTH = 24  # place of the byte that says how many bits a channel of a PNG file has

Image.MAX_IMAGE_PIXELS = None  # photographs may have any size; what does not fit the memory is told

try:  # an optional plug-in of Pillow
    from pillow_heif import register_heif_opener

    register_heif_opener()
    READS_HEIF = True
except ImportError:
    READS_HEIF = False


class Unreadable(UserError):
    """A file that cannot be read. Made of its whole message, as a loader process that meets one hands it over."""

    REPAIR: ClassVar[str] = "; replace or remove this file"

    @classmethod
    def because(cls, path: Path | str, reason: str) -> Unreadable:
        """The error for a file.

        Args:
            path: of the file.
            reason: what is wrong with it.
        """
        return cls(f"cannot read image '{path}': {reason}{cls.REPAIR}")

    @property
    def what(self) -> str:
        """The message without the repair."""
        return str(self).removesuffix(self.REPAIR)


@dataclass(frozen=True)
class Decoded:
    """The content of an image file, turned upright.

    Attributes:
        values: [H,W] or RGB [H,W,3] in the units of the file, uint8, or of another type where a file has more bits.
        opacity: [H,W] in 0..1, or None where all is opaque.
        orientation: that of the file (1..8), applied already.
        lossy: whether the format changes values.
        notes: what had to be assumed.
    """

    values: NDArray
    opacity: NDArray[np.float32] | None
    orientation: int
    lossy: bool
    notes: tuple[str, ...] = ()


def decode(path: Path) -> Decoded:
    """Read a file: of several pages the largest, of several frames the first. Raises Unreadable naming it."""
    path = Path(path)
    try:
        image = _open(path)
        if image is None:
            return _from_tiff(path)
        with image:
            return _from_pillow(image, path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def from_pillow(image: Image.Image, name: str) -> Decoded:
    """What Pillow has opened or made, turned upright by the EXIF orientation that it carries.

    Args:
        image: of Pillow.
        name: of the image, for errors.

    Raises:
        Unreadable: for a file that was opened and cannot be read.
    """
    try:
        image.load()
        tag, notes = orientation(image)
        values, opacity = _values(image)
    except UNREADABLE as error:
        raise _unreadable(Path(name), error) from None
    return Decoded(*_as_seen(values, opacity, tag), tag, False, notes)


def header(path: Path) -> tuple[int, int, int]:
    """(height, width, orientation 1..8) of a file from its header: the size is the upright one.

    An orientation that a PNG file holds behind its pixels is not seen (`decode` applies it).
    Raises Unreadable naming a file that is missing or is no image.
    """
    path = Path(path)
    try:
        image = _open(path)
        if image is None:
            height, width, tag = tiff.read_tiff_size(path)
        else:
            with image:
                if image.format == "TIFF":
                    tiff.seek_largest_page(image)
                behind = image.format == "PNG" and not image.info.get("exif")  # to look there costs decoding
                tag = 1 if behind else orientation(image)[0]
                height, width = tiff.stored_size(image) if image.format == "TIFF" else image.size[::-1]
    except UNREADABLE as error:
        raise _unreadable(path, error) from None
    return (width, height, tag) if tag in TURNED else (height, width, tag)


def _open(path: Path) -> Image.Image | None:
    """Open a file up to its header; None for a TIFF file that Pillow does not know."""
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise UserError(f"no such file: '{path}'; correct the path") from None
    except Image.UnidentifiedImageError:
        if path.is_file() and tiff.is_tiff(path):
            return None
        raise


def _from_pillow(image: Image.Image, path: Path) -> Decoded:
    """Decode what Pillow has opened, by another reader where Pillow would lose bits."""
    notes: tuple[str, ...] = ()
    lossy = image.format in LOSSY_FORMATS
    if image.format == "TIFF":
        notes = tiff.seek_largest_page(image)
        if tiff.needs_tifffile(image):
            return _from_tiff(path)
        notes += tiff.spare_bands(image)
        nodata = tiff.nodata_value(tiff.tags_of(image).get(tiff.NODATA))
    else:
        nodata = None
        if image.format != "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
            notes = (f"{frames} frames: the first is read",)
    orientation_before, damage_before = (1, ()) if image.format == "PNG" else orientation(image)
    if image.format == "PNG":  # decoding passes over wrong checksums: the pixels may be black from there on
        with Image.open(path) as unread:
            unread.verify()
    image.load()
    remaining, damage_after = orientation(image)  # some versions of Pillow have turned a TIFF by now
    coloured = image.format == "PNG" and image.mode[0] not in "IF"
    deep = coloured and np.fromfile(path, np.uint8, PNG_DEPTH + 1)[PNG_DEPTH] == 16  # which Pillow does not tell
    values, opacity = _deep_png(path) if deep else _values(image)
    notes = tuple(dict.fromkeys(notes + damage_before + damage_after))
    return Decoded(*_as_seen(values, opacity, remaining, nodata), max(orientation_before, remaining), lossy, notes)


def _values(image: Image.Image) -> tuple[NDArray, NDArray[np.float32] | None]:
    """Values and opacity of a loaded image as stored."""
    if image.mode[0] in "IF":  # one channel of more than 8 bits
        return np.array(image), None
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        pixels = np.array(image.convert("RGBA"))  # [H,W,4]
        return pixels[:, :, :3], pixels[:, :, 3].astype(np.float32) / np.float32(255)
    if image.mode in ("1", "L"):
        return np.array(image.convert("L")), None
    return np.array(image if image.mode == "RGB" else image.convert("RGB")), None


def _deep_png(path: Path) -> tuple[NDArray, NDArray[np.float32] | None]:
    """Colour, or grey with opacity, of 16 bits a channel, which Pillow would cut to 8."""
    stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3:
        raise ValueError("damaged or of an unknown kind")
    return stored[:, :, 2::-1], stored[:, :, 3] / np.float32(65535) if stored.shape[2] == 4 else None


def _from_tiff(path: Path) -> Decoded:
    """Decode a TIFF file of a kind that Pillow does not know."""
    values, opacity, tag, nodata, notes = tiff.read_tiff(path)
    if opacity is not None:
        whole = np.iinfo(opacity.dtype).max if opacity.dtype.kind in "iu" else max(1.0, float(opacity.max()))
        opacity = np.divide(opacity, np.float32(whole))
    return Decoded(*_as_seen(values, opacity, tag, nodata), tag, False, notes)


def _as_seen(
    values: NDArray, opacity: NDArray[np.float32] | None, tag: int, nodata: float | None = None
) -> tuple[NDArray, NDArray[np.float32] | None]:
    """Turn values and opacity upright; make what is marked as no data, and what is no number, transparent and 0."""
    values, opacity = upright(values, tag), None if opacity is None else upright(opacity, tag)
    if nodata is None and values.dtype.kind != "f":
        return values, opacity
    absent = values == nodata if nodata is not None else np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        absent = absent | np.isnan(values)
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    absent = np.logical_and.reduce(absent, axis=2) if values.ndim == 3 else absent
    if not absent.any():
        return values, opacity
    values = np.where(absent[..., None] if values.ndim == 3 else absent, values.dtype.type(0), values)
    return values, np.where(absent, np.float32(0), np.float32(1) if opacity is None else opacity)


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, Image.UnidentifiedImageError):
        reason = "not an image of a known format"
        if path.suffix.lower() in HEIF_SUFFIXES and not READS_HEIF:
            reason = "HEIC needs a plug-in ('pip install pillow-heif')"
    elif isinstance(error, MemoryError):
        reason = "too large for the memory of this machine"
    else:
        reason = " ".join(str(error).split())
    return Unreadable.because(path, reason)
