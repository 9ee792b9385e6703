"""The overlay of measured cracks: centrelines in the colours of their local width, with a colour scale below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visualization.drawing import GREY, INK, PAPER, colour_map, font, write

LEAST_WIDTH = 200  # px of the whole picture
LEAST_SIDE = 1000  # px of the longer side, up to MOST_ENLARGED: a smaller photograph is enlarged, to draw on it
MOST_ENLARGED = 8
FADED = 0.35  # of the photograph's contrast is given up, so that lines stand out
HALO = (20, 20, 20)
OUTLINE = (70, 70, 70)
UNKNOWN = (235, 235, 235)  # lines whose width was not measured
COLOURS = slice(20, 250)  # of plasma: the ends are nearly black, and too pale
FRACTION = 16  # of a pixel, in which OpenCV takes coordinates (4 bits)


@dataclass(frozen=True)
class Legend:
    """What stands below the picture.

    Attributes:
        per_pixel: units for each pixel of the photograph.
        unit: "px" or "mm"; with mm there is a scale bar.
        text: a line about the cracks.
        highest: width in pixels that the scale reaches at least; local widths beyond its end have its last colour.
    """

    per_pixel: float = 1.0
    unit: str = "px"
    text: str = ""
    highest: float = 0.0


def width_overlay(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    lines: Sequence[NDArray[np.float64]],
    widths: Sequence[NDArray[np.float64]],
    legend: Legend,
    widest: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Return the photograph, faded, with centrelines in the colours of their local width, and a legend below.

    Args:
        image: the photograph, uint8 RGB [H,W,3].
        mask: cracks, bool [H,W]: outlined thinly, so that those without a line are seen too.
        lines: rows and columns [N,2] of each, pixels.
        widths: at their points [N], pixels; NaN: not measured, drawn in pale grey.
        legend: what stands below.
        widest: row and column that gets a ring.

    Returns:
        uint8 RGB [H*k+L,W*k,3], white beside a photograph that is narrower than 200 px. k is 1, or up to 8 where the
        longer side has less than 1000 px.
    """
    factor = min(MOST_ENLARGED, max(1, round(LEAST_SIDE / max(image.shape[:2]))))
    unit = max(image.shape[:2]) * factor / LEAST_SIDE  # what a pixel is on a picture of that side
    fine = math.sqrt(unit)  # lines as thick as the picture is large would hide the cracks of a large one
    picture = _background(image, mask, factor, max(1, round(fine)))
    steps = ticks(legend.highest * legend.per_pixel)
    highest = steps[-1] / legend.per_pixel
    thickness = max(2, round(2.5 * fine))
    placed = [((line + 0.5) * factor - 0.5)[:, ::-1] for line in lines]
    for points in placed:
        ends = np.rint(points * FRACTION).astype(np.int32)
        cv2.polylines(picture, [ends], False, HALO, thickness + max(2, round(2 * fine)), cv2.LINE_AA, 4)
    for points, width in zip(placed, widths, strict=True):
        _line(picture, points, width, highest, thickness)
    if widest is not None:
        row, column = ((place + 0.5) * factor - 0.5 for place in widest)
        _ring(picture, (column, row), round(11 * unit), max(1, round(2 * unit)))
    if (missing := LEAST_WIDTH - picture.shape[1]) > 0:  # no words fit below a narrower one
        picture = np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)
    strip = _strip(picture.shape[1], unit, steps, legend, legend.per_pixel / factor)
    return np.concatenate([picture, strip], dtype=np.uint8)


def ticks(highest: float, most: int = 6) -> list[float]:
    """Round numbers from 0 to at least ``highest``, evenly spread, ``most`` at most.

    Args:
        highest: the largest value that is shown; 0: there is none.
        most: number of them, 3 or more.
    """
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / (most - 1)))
    step = next(power * round_ for round_ in (1, 2, 5, 10, 20) if math.ceil(highest / (power * round_)) <= most - 1)
    return [step * index for index in range(math.ceil(highest / step - 1e-9) + 1)]


def _background(image: NDArray[np.uint8], mask: NDArray[np.bool_], factor: int, outline: int) -> NDArray[np.uint8]:
    """The photograph enlarged and faded towards white, with outlines of the cracks."""
    size = (image.shape[1] * factor, image.shape[0] * factor)
    picture = image if factor == 1 else cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    picture = cv2.addWeighted(picture, 1 - FADED, np.full_like(picture, 255), FADED, 0).astype(np.uint8, copy=False)
    crack = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    contours = cv2.findContours(crack, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    cv2.drawContours(picture, contours, -1, OUTLINE, outline, cv2.LINE_AA)
    return picture


def _line(
    picture: NDArray[np.uint8], points: NDArray[np.float64], widths: NDArray[np.float64], highest: float, thickness: int
) -> None:
    """Draw one line [N,2] (x, y), each step in the colour of the mean of its two widths."""
    colours = colour_map("plasma")[COLOURS]
    middle = (widths[:-1] + widths[1:]) / 2
    ends = np.rint(points * FRACTION).astype(np.int32)
    for start, end, width in zip(ends[:-1], ends[1:], middle, strict=True):
        shade = (
            colours[round(min(1.0, width / highest) * (len(colours) - 1))].tolist() if np.isfinite(width) else UNKNOWN
        )
        cv2.line(picture, start.tolist(), end.tolist(), shade, thickness, cv2.LINE_AA, 4)


def _ring(picture: NDArray[np.uint8], centre: tuple[float, float], radius: int, thickness: int) -> None:
    place = tuple(round(part * FRACTION) for part in centre)
    for colour, more in ((PAPER, 2 * thickness), (HALO, 0)):
        cv2.circle(picture, place, radius * FRACTION, colour, thickness + more, cv2.LINE_AA, 4)


def _strip(width: int, unit: float, steps: Sequence[float], legend: Legend, per_pixel: float) -> NDArray[np.uint8]:
    """What stands below the picture, uint8 [L,width,3]: colour scale, scale bar, text.

    Args:
        width: pixels.
        unit: pixels for each of a picture of ``LEAST_SIDE``.
        steps: of the colour scale.
        legend: what it says.
        per_pixel: units for each pixel of the picture.
    """
    size = max(9, round(min(17 * unit, width / 26)))
    gap, left = size, round(width * 0.56)
    canvas = Image.new("RGB", (width, round(6.2 * size)), PAPER)
    if legend.highest > 0:
        _colour_scale(canvas, (gap, round(width * 0.5)), size, steps, legend.unit)
        _signs(canvas, left, size)
    if legend.unit != "px":
        _scale_bar(canvas, (left, width - gap, round(2.4 * size)), size, legend.unit, per_pixel)
    write(canvas, legend.text, (gap, width - gap, round(5.2 * size)), size, centred=False, colour=GREY)
    return np.asarray(canvas)


def _colour_scale(canvas: Image.Image, sides: tuple[int, int], size: int, steps: Sequence[float], unit: str) -> None:
    """What width each colour means, between the two ``sides``."""
    draw = ImageDraw.Draw(canvas)
    (left, right), top, bottom = sides, round(1.9 * size), round(2.9 * size)
    write(canvas, f"local width / {unit}", (left, right, round(1.0 * size)), size, bold=True, centred=False)
    shades = colour_map("plasma")[None, COLOURS].repeat(2, axis=0)
    canvas.paste(Image.fromarray(shades).resize((right - left, bottom - top)), (left, top))
    for step in steps:
        x = round(left + (right - 1 - left) * step / steps[-1])
        draw.line((x, bottom, x, bottom + size // 4), fill=INK, width=max(1, size // 12))
        anchor = "lt" if step == 0 else "rt" if step == steps[-1] else "mt"
        draw.text((x, bottom + size // 3), f"{step:g}", fill=INK, font=font(size), anchor=anchor)


def _signs(canvas: Image.Image, left: int, size: int) -> None:
    """What else is drawn on the picture: lines without a width, the ring."""
    draw, y, room = ImageDraw.Draw(canvas), round(1.0 * size), size // 2
    right = left + round(1.6 * size)
    draw.rectangle((left, y - size // 4, right, y + size // 4), fill=UNKNOWN, outline=HALO, width=max(1, size // 9))
    after = right + room + round(font(size).getlength("not measured")) + size
    write(canvas, "not measured", (right + room, after, y), size, centred=False)
    ring = (after, y - round(0.45 * size), after + round(0.9 * size), y + round(0.45 * size))
    draw.ellipse(ring, outline=HALO, width=max(1, size // 8))
    write(canvas, "widest", (ring[2] + room, canvas.width, y), size, centred=False)


def _scale_bar(canvas: Image.Image, box: tuple[int, int, int], size: int, unit: str, per_pixel: float) -> None:
    """A length that is round in the unit, at most a quarter of the picture, in (left, right, y)."""
    left, right, y = box
    room = per_pixel * min(right - left, canvas.width // 4)
    power = 10.0 ** math.floor(math.log10(room))
    length = max((power * round_ for round_ in (2, 5) if power * round_ <= room), default=power)
    draw, end, thick = ImageDraw.Draw(canvas), left + round(length / per_pixel), max(2, size // 6)
    draw.line((left, y, end, y), fill=INK, width=thick)
    for x in (left, end):
        draw.line((x, y - size // 3, x, y + size // 3), fill=INK, width=thick)
    write(canvas, f"{length:g} {unit}", (left, right, y + size), size, centred=False)
