"""From values of any depth to 8 bits, and from transparent pixels to plain ones."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners write, the last two in 16-bit files
FULL_DEPTH = 16
FADE = 8.0  # px; how far the colours around a transparent area are mixed in it


def depth_of(largest: float) -> int:
    """The smallest usual number of bits that holds a value."""
    return next(bits for bits in DEPTHS if largest < 2**bits)


def is_deep(values: NDArray) -> bool:
    """Whether the file has whole numbers of more than 8 bits, so that their depth has to be known."""
    return values.dtype.kind in "iu" and values.dtype != np.uint8


def to_bytes(values: NDArray, bits: int | None = None) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Scale values of a file [H,W] or [H,W,3] to 0..255, and say what had to be assumed.

    Files that use all 16 bits are divided by 257 (grey: rounded; colour: the high byte, as Pillow reads them). Floats
    are 0..1, or 0..255 where any is above 1.

    Args:
        values: as decoded.
        bits: whole numbers of more than 8 bits reach up to 2^bits - 1; None: the smallest of DEPTHS that holds the
            largest of them.

    Returns:
        The scaled values and notes.

    Raises:
        ValueError: for negative values and such beyond the range.
    """
    if values.dtype == np.uint8:
        return values, ()
    largest, smallest = float(values.max()), float(values.min())
    whole = is_deep(values)
    limit = (65535 if bits is None else 2**bits - 1) if whole else 255.0
    if smallest < 0 or not largest <= limit:
        range_ = f"values from {smallest:g} to {largest:g}"
        if whole and smallest >= 0 and bits is not None:
            raise ValueError(f"{range_}, more than bits: {bits} allows")
        raise ValueError(f"{range_}: save it with 8 or 16 bits, or as floats from 0 to 1")
    if not whole:
        full = 1.0 if largest <= 1 else 255.0
        return _rounded(values, full), (f"float values: read as 0 to {full:g}",)
    depth = depth_of(largest) if bits is None else bits
    assumed = (depth_note(largest, depth),) if bits is None and depth < FULL_DEPTH and largest > 0 else ()
    if depth < FULL_DEPTH:
        return _rounded(values, 2.0**depth - 1), assumed
    return (values >> 8).astype(np.uint8) if values.ndim == 3 else _rounded(values, 65535.0), assumed


def depth_note(largest: float, bits: int) -> str:
    """What is said where the depth of a file is a guess.

    Args:
        largest: value in the files.
        bits: the depth that was concluded.
    """
    return f"values up to {largest:g} in 16-bit files: read as {bits} bits (if they are just dark, say bits: 16)"


def fill(image: NDArray[np.uint8], transparent: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give transparent pixels the colours around them, blurred, so that no edge arises.

    Args:
        image: uint8 [H,W,3].
        transparent: bool [H,W].

    Returns:
        uint8 [H,W,3]; pixels that are not transparent stay.
    """
    plain = ~transparent
    _, labels = cv2.distanceTransformWithLabels(
        transparent.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    plain_index = np.zeros(int(labels.max()) + 1, np.intp)  # of the plain pixel with each label
    plain_index[labels[plain]] = np.flatnonzero(plain)
    nearest = image.reshape(-1, image.shape[2])[plain_index[labels]]  # [H,W,3]
    soft = cv2.GaussianBlur(nearest, (0, 0), FADE, borderType=cv2.BORDER_REFLECT)
    return np.where(plain[:, :, None], image, soft)


def _rounded(values: NDArray, full: float) -> NDArray[np.uint8]:
    """Values 0..full as the nearest of 0..255."""
    return np.rint(values.astype(np.float64) * (255 / full)).astype(np.uint8)
