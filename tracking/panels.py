"""Pictures of results: the panel of an evaluation and the overlay of a prediction.

Images come in as uint8 RGB [H,W,3], masks as [H,W] in {0, 1} or bool, probabilities as float [H,W]
in [0, 1]; pictures come out as uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw

from tracking.drawing import (
    GREY,
    INK,
    PAPER,
    SKY_BLUE,
    VERMILLION,
    colour_map,
    coloured,
    font,
    resized,
    write,
)

TRUE_POSITIVE = (255, 255, 255)
FALSE_POSITIVE = VERMILLION
FALSE_NEGATIVE = SKY_BLUE
LEGEND = (("found", TRUE_POSITIVE), ("false alarm", FALSE_POSITIVE), ("missed", FALSE_NEGATIVE))
GAP, HEADER, FOOTER = 10, 34, 34
TEXT = 17


def error_image(image: np.ndarray, predicted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the image in dark grey with found crack pixels white, false alarms vermillion, missed blue."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    result = np.repeat((grey * 0.45).astype(np.uint8)[..., None], 3, axis=2)
    predicted, mask = predicted.astype(bool), mask.astype(bool)
    result[predicted & mask] = TRUE_POSITIVE
    result[predicted & ~mask] = FALSE_POSITIVE
    result[~predicted & mask] = FALSE_NEGATIVE
    return result


def _display_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the size at which columns are shown: the longer side ``side`` at most, 240 px at least."""
    longest = max(height, width)
    factor = min(max(longest, 240), side) / longest
    return max(1, round(height * factor)), max(1, round(width * factor))


def _kernel_inset(column: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the column with a blur kernel [k,k], its maximum white, in the upper left corner."""
    side = max(42, min(column.shape[:2]) // 5)
    shades = (255 * kernel / max(float(kernel.max()), 1e-12)).clip(0, 255).astype(np.uint8)
    inset = cv2.resize(shades, (side, side), interpolation=cv2.INTER_NEAREST)[..., None]
    result = column.copy()
    result[: side + 2, : side + 2] = 255
    result[:side, :side] = inset
    return result


def _columns(
    lr: np.ndarray | None,
    sr: np.ndarray | None,
    hr: np.ndarray,
    prob: np.ndarray,
    mask: np.ndarray,
    threshold: float,
    size: tuple[int, int],
    kernels: tuple[np.ndarray | None, np.ndarray | None],
) -> dict[str, np.ndarray]:
    """Return the columns by title, all of one size."""
    columns = {}
    for title, image, which, kernel in (("LR", lr, "true", kernels[0]), ("SR", sr, "estimated", kernels[1])):
        if image is None:
            continue
        shown = resized(image, *size)
        if kernel is None:
            columns[title] = shown
        else:
            columns[f"{title} ({which} kernel)"] = _kernel_inset(shown, kernel)
    columns["HR"] = resized(hr, *size)
    columns["Probability"] = resized(coloured(prob), *size)
    columns[f"Error at {threshold:g}"] = resized(error_image(hr, prob >= threshold, mask), *size)
    return columns


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
    """Return titled columns: LR (enlarged, its pixels visible), SR, HR, probability, error in colour.

    lr: [h,w,3] and sr: [H,W,3], or None where there is none (condition ``hr``). caption: shown below
    the images, such as the image's name and scores. kernels: the true and the estimated blur kernel
    [k,k], shown in the corners of LR and SR. side: the longer side of a column in pixels, at most.
    ValueError if hr, prob, mask and sr differ in size.
    """
    for name, array in (("prob", prob), ("mask", mask), ("sr", sr)):
        if array is not None and array.shape[:2] != hr.shape[:2]:
            raise ValueError(f"{name} is {array.shape[:2]}, but hr is {hr.shape[:2]}")
    height, width = _display_size(*hr.shape[:2], side)
    columns = _columns(lr, sr, hr, prob, mask, threshold, (height, width), kernels)
    total = len(columns) * (width + GAP) + GAP
    canvas = Image.new("RGB", (total, HEADER + height + FOOTER), PAPER)
    for index, (title, column) in enumerate(columns.items()):
        left = GAP + index * (width + GAP)
        canvas.paste(Image.fromarray(column), (left, HEADER))
        write(canvas, title, (left, left + width, HEADER // 2), TEXT, bold=True)
    middle = HEADER + height + FOOTER // 2
    last = total - GAP - width
    _colour_bar(canvas, last - GAP - width, width, middle)
    _legend(canvas, last, width, middle)
    write(canvas, caption, (GAP, last - 2 * GAP - width, middle), TEXT - 2, centred=False)
    return np.asarray(canvas)


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

    prob: a probability map or mask [H,W]; pixels of at least ``threshold`` are tinted by ``opacity``
    and outlined in full colour on their outside. ValueError if the sizes differ.
    """
    if prob.shape != image.shape[:2]:
        raise ValueError(f"prob is {prob.shape}, but the image is {image.shape[:2]}")
    found = (prob >= threshold).astype(np.uint8)
    thickness = max(1, round(max(image.shape[:2]) / 1000))
    around = cv2.dilate(found, np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8))
    inside, ring = found == 1, (around - found) == 1
    result = image.copy()
    tint = (1 - opacity) * image[inside] + opacity * np.array(colour, np.float32)
    result[inside] = tint.round().astype(np.uint8)
    result[ring] = colour
    return result
