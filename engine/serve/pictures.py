"""Pictures of what was found, small enough for a page."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from PIL import Image, ImageDraw

from engine.serve.found import Found, Shown
from visualization.drawing import INK, PAPER, font
from visualization.panels import overlay

ON_PAGE, IN_REPORT = 1600, 2200  # px, longer side
LEAST = 900  # px, longer side to which small photographs are enlarged
NUMBERED = 40  # cracks, the longest; more numbers would hide the picture
QUALITY = 88  # of JPEG
APART = 1.4  # heights of a number between two of them


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(width, height) of a picture of a photograph of ``size`` (height, width)."""
    height, width = size
    factor = min(longest, max(LEAST, *size)) / max(size)
    return max(1, round(width * factor)), max(1, round(height * factor))


def resized(pixels: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    """An image uint8 [h,w,3] at (width, height)."""
    smaller = target[0] < pixels.shape[1]
    return cv2.resize(pixels, target, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def photograph(pixels: np.ndarray, longest: int = ON_PAGE) -> np.ndarray:
    """A photograph as it is shown, uint8 [H,W,3]."""
    return resized(pixels, fitted(pixels.shape[:2], longest))


def marked(found: Found, shown: Shown, longest: int = ON_PAGE) -> np.ndarray:
    """The photograph, restored if it was, with cracks outlined and numbered as in the table, uint8 [H,W,3].

    Args:
        found: the photograph.
        shown: cracks at a threshold.
        longest: side of the picture in pixels.
    """
    target = fitted(found.received.size, longest)
    restored = found.prediction.restored
    image = resized(found.received.photo.pixels if restored is None else restored, target)
    fine = (shown.fine >= shown.threshold).astype(np.float32)
    smaller = target[0] < fine.shape[1]  # then a pixel is crack if one runs through it
    crack = cv2.resize(fine, target, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST) > 0
    return _numbered(overlay(image, crack), shown, target[0] / found.received.size[1])


def _numbered(image: np.ndarray, shown: Shown, factor: float) -> np.ndarray:
    """Numbers beside the widest places of cracks; one that would cover another is left out."""
    canvas = Image.fromarray(image)
    draw, size = ImageDraw.Draw(canvas), max(13, round(max(canvas.size) / 46))
    typeface = font(size, bold=True)
    taken: list[tuple[float, float]] = []
    for number, crack in enumerate(shown.measured[:NUMBERED], 1):
        assert crack.widest is not None  # measured
        row, column = (place * factor for place in crack.widest)
        width, height = typeface.getlength(str(number)) + 0.7 * size, 1.35 * size
        left = min(max(column + size, 0), canvas.width - width - 1)
        top = min(max(row - height / 2, 0), canvas.height - height - 1)
        if any(abs(left - x) < APART * width and abs(top - y) < APART * height for x, y in taken):
            continue
        taken.append((left, top))
        box = (left, top, left + width, top + height)
        draw.rounded_rectangle(box, radius=height / 3, fill=PAPER, outline=INK, width=max(1, size // 14))
        draw.text((left + width / 2, top + height / 2), str(number), fill=INK, font=typeface, anchor="mm")
    return np.asarray(canvas)


def as_url(image: np.ndarray) -> str:
    """A picture uint8 [H,W,3] as a data: URL of a JPEG file, so that no file is served."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
