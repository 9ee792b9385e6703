"""What panels and overlays are drawn with: text, colours, resizing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from contracts.files import Unwritable, write_bytes

# Okabe & Ito's palette, distinguishable with every common form of colour blindness (RGB).
GREEN = (0, 158, 115)
ORANGE = (230, 159, 0)
SKY_BLUE = (86, 180, 233)
VERMILLION = (213, 94, 0)
INK = (34, 34, 34)
GREY = (110, 110, 110)
PAPER = (255, 255, 255)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib.

    Args:
        size: in pixels.
        bold: whether the font is bold.
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    import matplotlib  # here, as it is slow and most of what imports this module draws nothing

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def fitting(text: str, width: int, size: int, bold: bool = False) -> tuple[str, ImageFont.FreeTypeFont]:
    """Return text and font that fit into a width: the font is made smaller, then the text cut short by an ellipsis.

    Args:
        text: one line.
        width: in pixels.
        size: of the largest font to use, pixels; 9 is the smallest.
        bold: whether the font is bold.
    """
    typeface = font(size, bold)
    while typeface.getlength(text) > width and size > 9:
        size -= 1
        typeface = font(size, bold)
    if typeface.getlength(text) > width:
        while text and typeface.getlength(text + "\u2026") > width:
            text = text[:-1]
        text += "\u2026"
    return text, typeface


def write(
    canvas: Image.Image,
    text: str,
    box: tuple[int, int, int],
    size: int,
    bold: bool = False,
    centred: bool = True,
    colour: tuple[int, int, int] = INK,
) -> None:
    """Write one line of text.

    What cannot be drawn, such as the bytes of a file's name that are no text, becomes a question mark in a diamond.

    Args:
        canvas: drawn on in place.
        text: made smaller or cut short where it does not fit.
        box: (left, right, y), pixels; the line is vertically centred on y.
        size: of the font, pixels.
        bold: whether the font is bold.
        centred: between left and right, instead of starting at left.
        colour: RGB, 0..255.
    """
    left, right, y = box
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    text, typeface = fitting(text, right - left, size, bold)
    x, anchor = ((left + right) // 2, "mm") if centred else (left, "lm")
    ImageDraw.Draw(canvas).text((x, y), text, fill=colour, font=typeface, anchor=anchor)


def colour_map(name: str = "inferno") -> np.ndarray:
    """Return a perceptually uniform colour map of matplotlib as uint8 RGB [256,3]."""
    from matplotlib import colormaps

    return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def coloured(prob: np.ndarray) -> np.ndarray:
    """Return a probability map [H,W] in [0, 1] in the colours of inferno, uint8 [H,W,3]."""
    return colour_map()[(np.clip(np.nan_to_num(prob), 0, 1) * 255).round().astype(np.uint8)]


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a picture: downsampled by area means, upsampled with visible pixels (nearest).

    Args:
        image: uint8 [H,W,3].
        height: of the result, pixels.
        width: likewise.
    """
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)


def save_png(path: Path, image: np.ndarray) -> None:
    """Write a PNG file, whole or not at all.

    Args:
        path: of the file.
        image: uint8 RGB [H,W,3].

    Raises:
        contracts.files.Unwritable: where the disk refuses.
    """
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", compress_level=3)  # half the time of 6 for 5 % more bytes
    write_bytes(path, content.getbuffer())


def save_all(pictures: Mapping[Path, np.ndarray]) -> set[Path]:
    """Write uint8 RGB pictures [H,W,3] as PNG files and return the paths that were written.

    Those that the disk refuses are reported in one printed line: no result depends on them.
    """
    saved, refused = set(), []
    for path, image in pictures.items():
        try:
            save_png(path, image)
            saved.add(path)
        except Unwritable as error:
            refused.append(error)
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        print(f"picture left out{more}: {refused[0]}", flush=True)
    return saved
