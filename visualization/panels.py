"""Pictures of results: the panel of an evaluation and the overlay of a prediction.

Images come in as uint8 RGB [H,W,3], masks as [H,W] in {0, 1} or bool, probabilities as float [H,W]
in [0, 1]; pictures come out as uint8 RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from visualization.drawing import GREY, INK, PAPER, SKY_BLUE, VERMILLION, colour_map, coloured, font, resized, write

TRUE_POSITIVE = (255, 255, 255)
FALSE_POSITIVE = VERMILLION
FALSE_NEGATIVE = SKY_BLUE
LEGEND = (("found", TRUE_POSITIVE), ("false alarm", FALSE_POSITIVE), ("missed", FALSE_NEGATIVE))
GAP, HEADER, FOOTER = 10, 34, 34
TEXT = 17
NARROWEST = 200  # px; a column is as wide as its title, the scale and the legend need
STRETCHED = 3  # from this ratio of the sides on, a picture gets more room in its long direction
INSET = 42  # px; side of a kernel that does not lie on its image


def error_image(image: np.ndarray, predicted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the image in dark grey with found crack pixels white, false alarms vermillion, missed blue."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    result = np.repeat((grey * 0.45).astype(np.uint8)[..., None], 3, axis=2)
    predicted, mask = predicted.astype(bool), mask.astype(bool)
    result[predicted & mask] = TRUE_POSITIVE
    result[predicted & ~mask] = FALSE_POSITIVE
    result[~predicted & mask] = FALSE_NEGATIVE
    return result


@dataclass(frozen=True)
class Layout:
    """Where the pictures stand: beside each other, or, if they are wide and low, one below the other.

    Attributes:
        shown: (height, width) at which each picture is drawn, in the middle of its cell, pixels.
        cell: width of a cell, pixels.
        stacked: whether the pictures stand one below the other.
        beside: whether a kernel stands beside its picture, which is too narrow or too low to hold it.
    """

    shown: tuple[int, int]
    cell: int
    stacked: bool
    beside: bool

    @property
    def step(self) -> tuple[int, int]:
        """From one picture to the next, (down, to the right), in pixels."""
        return (HEADER + self.shown[0], 0) if self.stacked else (0, self.cell + GAP)

    def canvas(self, count: int) -> tuple[int, int]:
        """(width, height) of a panel with so many pictures, in pixels."""
        across, down = (1, count) if self.stacked else (count, 1)
        return across * (self.cell + GAP) + GAP, down * (HEADER + self.shown[0]) + FOOTER


def _layout(height: int, width: int, side: int) -> Layout:
    """Choose the layout for pictures [height,width] that are drawn with a longer side of 240 px to ``side``.

    For stretched ones, it is two to three times as much.
    """
    wide, tall = width > STRETCHED * height, height > STRETCHED * width
    least, most = (720, 3 * side) if wide else (480, 2 * side) if tall else (240, side)
    longest = max(height, width)
    factor = min(max(longest, least), max(least, most) if wide or tall else most) / longest
    shown = max(1, round(height * factor)), max(1, round(width * factor))
    room = shown[1] + 2 * (INSET + GAP) if tall else shown[1]
    return Layout(shown, max(NARROWEST, room), stacked=wide, beside=wide or tall)


def _kernel_picture(kernel: np.ndarray, side: int) -> np.ndarray:
    """A blur kernel [k,k] as uint8 [side,side,3], its maximum white."""
    shades = (255 * kernel / max(float(kernel.max()), 1e-12)).clip(0, 255).astype(np.uint8)
    return np.repeat(cv2.resize(shades, (side, side), interpolation=cv2.INTER_NEAREST)[..., None], 3, axis=2)


def panel(
    lr: np.ndarray | None,
    sr: np.ndarray | None,
    hr: np.ndarray,
    prob: np.ndarray,
    mask: np.ndarray,
    caption: str = "",
    threshold: float = 0.5,
    kernels: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    side: int = 480,
) -> np.ndarray:
    """Return titled pictures: LR (enlarged, its pixels visible), SR, HR, probability, error in colour.

    They stand in columns; those of a photograph more than three times as wide as high stand below each other.

    Args:
        lr: [h,w,3], or None where there is none (condition ``hr``).
        sr: [H,W,3], or None likewise.
        hr: [H,W,3].
        prob: [H,W] in [0, 1].
        mask: [H,W] in {0, 1}.
        caption: shown below the images, such as the image's name and scores.
        threshold: of the error picture.
        kernels: the true and the estimated blur kernel [k,k], shown in the corners of LR and SR, or None.
        side: the longer side of a picture in pixels, at most (more if it is stretched).

    Raises:
        ValueError: if hr, prob, mask and sr differ in size.
    """
    for name, array in (("prob", prob), ("mask", mask), ("sr", sr)):
        if array is not None and array.shape[:2] != hr.shape[:2]:
            raise ValueError(f"{name} is {array.shape[:2]}, but hr is {hr.shape[:2]}")
    height, width = hr.shape[:2]
    layout = _layout(height, width, side)
    pictures: list[tuple[str, np.ndarray, np.ndarray | None]] = [
        (title if kernel is None else f"{title} ({which} kernel)", image, kernel)
        for title, image, kernel, which in (("LR", lr, kernels[0], "true"), ("SR", sr, kernels[1], "estimated"))
        if image is not None
    ]
    pictures += [
        ("HR", hr, None),
        ("Probability", coloured(prob), None),
        (f"Error at {threshold:g}", error_image(hr, prob >= threshold, mask), None),
    ]
    canvas = Image.new("RGB", layout.canvas(len(pictures)), PAPER)
    for index, (title, image, kernel) in enumerate(pictures):
        _place(canvas, layout, index, title, resized(image, *layout.shown), kernel)
    _footer(canvas, layout, caption)
    return np.asarray(canvas)


def _place(
    canvas: Image.Image, layout: Layout, index: int, title: str, shown: np.ndarray, kernel: np.ndarray | None
) -> None:
    """Draw one picture with its title, and its kernel on it or beside it."""
    down, across = layout.step
    top, left = HEADER + index * down, GAP + index * across
    if kernel is not None and not layout.beside:
        side = min(max(INSET, min(shown.shape[:2]) // 5), *shown.shape[:2])
        shown = shown.copy()
        shown[: side + 2, : side + 2] = 255
        shown[:side, :side] = _kernel_picture(kernel, side)
    canvas.paste(Image.fromarray(shown), (left + (layout.cell - shown.shape[1]) // 2, top))
    write(canvas, title, (left, left + layout.cell, top - HEADER // 2), TEXT, bold=True, centred=not layout.stacked)
    if kernel is not None and layout.beside:
        side = HEADER - 4 if layout.stacked else INSET
        corner = (left + layout.cell - side, top - HEADER + 2) if layout.stacked else (left, top)
        canvas.paste(Image.fromarray(_kernel_picture(kernel, side)), corner)


def _footer(canvas: Image.Image, layout: Layout, caption: str) -> None:
    """Write the caption, the scale of the probability (under its column) and the legend (under the error's)."""
    middle, width = canvas.height - FOOTER // 2, NARROWEST if layout.stacked else layout.cell
    last = canvas.width - GAP - width
    _colour_bar(canvas, last - GAP - width, width, middle)
    _legend(canvas, last, width, middle)
    write(canvas, caption, (GAP, last - 2 * GAP - width, middle), TEXT - 2, centred=False)


def _colour_bar(canvas: Image.Image, left: int, width: int, middle: int) -> None:
    """Draw the scale of the probability colours, 0 to 1, under its column."""
    bar = np.repeat(colour_map()[None], 12, axis=0)
    room = 22
    scale = Image.fromarray(bar).resize((width - 2 * room, 12), Image.Resampling.BILINEAR)
    canvas.paste(scale, (left + room, middle - 6))
    write(canvas, "0", (left, left + room, middle), TEXT - 3)
    write(canvas, "1", (left + width - room, left + width, middle), TEXT - 3)


def _legend(canvas: Image.Image, left: int, width: int, middle: int) -> None:
    """Explain the colours of the error under its column, in the largest type that fits."""
    draw = ImageDraw.Draw(canvas)
    swatch, space = 12, 6
    for size in range(TEXT - 3, 6, -1):
        lengths = [font(size).getlength(label) for label, _ in LEGEND]
        gap = (width - sum(lengths) - len(LEGEND) * (swatch + space)) / (len(LEGEND) - 1)
        if gap >= 2 * space:
            break
    x = float(left)
    for (label, colour), length in zip(LEGEND, lengths, strict=True):
        draw.rectangle((x, middle - 6, x + swatch, middle + 6), fill=colour, outline=GREY)
        draw.text((x + swatch + space, middle), label, fill=INK, font=font(size), anchor="lm")
        x += swatch + space + length + gap


def overlay(
    image: np.ndarray,
    prob: np.ndarray,
    threshold: float = 0.5,
    colour: tuple[int, int, int] = VERMILLION,
    opacity: float = 0.25,
) -> np.ndarray:
    """Return the photograph [H,W,3] with cracks tinted and outlined, so that they stay visible.

    Args:
        image: the photograph, uint8 RGB [H,W,3].
        prob: a probability map or mask [H,W].
        threshold: pixels of at least this value are tinted, and outlined in full colour on their outside.
        colour: RGB, 0..255.
        opacity: of the tint, in [0, 1].

    Raises:
        ValueError: if the sizes differ.
    """
    if prob.shape != image.shape[:2]:
        raise ValueError(f"prob is {prob.shape}, but the image is {image.shape[:2]}")
    crack = (prob >= threshold).astype(np.uint8)
    thickness = max(1, round(max(image.shape[:2]) / 1000))
    dilated = cv2.dilate(crack, np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8))
    inside, outline = crack == 1, (dilated - crack) == 1
    result = image.copy()
    tint = (1 - opacity) * image[inside] + opacity * np.array(colour, np.float32)
    result[inside] = tint.round().astype(np.uint8)
    result[outline] = colour
    return result
