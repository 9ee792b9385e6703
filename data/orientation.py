"""EXIF orientations: reading the tag, however broken its data, and turning arrays as it says."""

from __future__ import annotations

from numpy.typing import NDArray
from PIL import Image

ORIENTATION_TAG = 0x0112
UPRIGHT = 1
TURNED = (5, 6, 7, 8)  # orientations that exchange height and width
CORRUPT_EXIF = "the EXIF data is damaged: taken as upright"


def orientation(image: Image.Image) -> tuple[int, tuple[str, ...]]:
    """Return the EXIF orientation 1..8 of an opened file, and a note where the data that should say it is damaged."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, UPRIGHT)
    except Exception:  # whatever a parser of damaged bytes raises: SyntaxError, struct.error, KeyError, ...
        return UPRIGHT, (CORRUPT_EXIF,)
    return (value if value in range(1, 9) else UPRIGHT), ()


def upright(pixels: NDArray, tag: int) -> NDArray:
    """Turn and mirror stored pixels as their orientation says.

    Args:
        pixels: [H,W,...].
        tag: orientation 1..8; 2: mirrored left-right, 3: upside down, 4: mirrored top-bottom, 6 and 8: a quarter turn,
            5 and 7: transposed.

    Returns:
        A view.
    """
    if tag in TURNED:
        pixels = pixels.swapaxes(0, 1)
    rows, columns = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(tag, (1, 1))
    return pixels[::rows, ::columns]
