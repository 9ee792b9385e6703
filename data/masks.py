"""Reading crack masks, whatever file they are kept in, and what the values of one file look like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data.decode import Decoded, Unreadable, decode
from data.depth import is_deep
from data.orientation import UPRIGHT, upright

Kind = Literal["lossy", "8 bit", "16 bit"]
FULL_RANGES = (1, 255, 65535)
LOSSY_FULL = 255
NEARLY_FULL, BRIGHT, FAINT = 0.9, 0.75, 0.125  # of the full range
REACH = 4  # px around full pixels in which the softness of an edge lies, once it was a JPEG
FAINT_REACH = 16  # px in which JPEG's ringing lies: its blocks, twice as large where colour is halved
MOSTLY = 0.9  # of the values in between have to be that near
FEWEST, LARGEST_PART = 3, 0.75  # kinds of values that reducing a mask leaves, and how much of them one may be


@dataclass(frozen=True)
class Scale:
    """What the values of a set's masks mean.

    Attributes:
        full: the value that is crack, by kind of file; a pixel is crack where it exceeds half of it.
        values: instead, the values that are crack.
        least: instead, the smallest value that is crack.
    """

    full: dict[Kind, int]
    values: tuple[int, ...] | None = None
    least: int | None = None

    def crack(self, values: NDArray, kind: Kind) -> NDArray[np.bool_]:
        """Which values are crack.

        Args:
            values: of any shape, in the units of the file.
            kind: of the file.

        Returns:
            bool of the same shape.
        """
        if self.values is not None:
            return np.isin(values, self.values)
        if self.least is not None:
            return values >= self.least
        return values * 2.0 > self.full[kind]

    def soft(self, values: NDArray, kind: Kind) -> NDArray[np.float32]:
        """The same as 0..1, with what lies between 0 and full as it is.

        Args:
            values: of any shape, in the units of the file.
            kind: of the file.

        Returns:
            float32 of the same shape.
        """
        if self.values is not None or self.least is not None:
            return self.crack(values, kind).astype(np.float32)
        return np.minimum(values / self.full[kind], 1).astype(np.float32)


@dataclass(frozen=True)
class MaskFacts:
    """What the values of one mask are: which there are, how often, and whether those in between are soft edges.

    Attributes:
        kind: of the file.
        values: those that occur, ascending.
        counts: the number of pixels of each.
        full: the smallest usual range that holds the largest value (255 for lossy files).
        edges: whether nearly all values in between lie as near to full ones as the softness of an edge or JPEG's
            ringing does.
    """

    kind: Kind
    values: NDArray[np.int64]
    counts: NDArray[np.int64]
    full: int
    edges: bool

    def share(self, scale: Scale) -> float:
        """Share of crack pixels."""
        return float(self.counts[scale.crack(self.values, self.kind)].sum() / self.counts.sum())

    def nearly_full(self) -> int:
        """How many pixels are nearly full, but not quite: as compression leaves them, and no class."""
        return int(self.counts[(self.values >= NEARLY_FULL * self.full) & (self.values < self.full)].sum())

    def between(self) -> NDArray[np.bool_]:
        """Which of ``values`` are neither 0 nor nearly full."""
        return (self.values > 0) & (self.values < NEARLY_FULL * self.full)


def read_mask(
    path: Path, binarise: bool = True, scale: Scale | None = None, turn: int = UPRIGHT
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Read a crack mask.

    A pixel is crack where it exceeds half of the full range, which makes the grey edges of JPEG
    and anti-aliased masks decided. Colour masks count by their largest channel, and transparent pixels by how opaque
    they are.

    Args:
        path: of the file.
        binarise: whether the mask is decided to {0, 1}.
        scale: what the full range is, as decided for a whole set (`data.mask_scale`); None: the smallest of 1, 255 and
            65535 that holds the largest value of this file; only 255 for JPEG and WebP, where a value of 1 is a trace
            of compression.
        turn: EXIF orientation (1..8) that is applied where the mask file carries none itself.

    Returns:
        [H,W], uint8 {0, 1}, or float32 in 0..1 where ``binarise`` is False.

    Raises:
        UserError: naming a missing or unreadable file.
    """
    decoded = decode(path)
    values, kind = mask_values(decoded, path), kind_of(decoded)
    if decoded.orientation == UPRIGHT:
        values = upright(values, turn)
    scale = scale or Scale({kind: _full_range(values, kind)})
    return scale.crack(values, kind).astype(np.uint8) if binarise else scale.soft(values, kind)


def mask_facts(decoded: Decoded, path: Path) -> MaskFacts:
    """Look at the values of a mask.

    Args:
        decoded: the content of its file.
        path: of the file, for errors.

    Raises:
        Unreadable: as of `mask_values`.
    """
    values, kind = mask_values(decoded, path), kind_of(decoded)
    values = np.rint(values).astype(np.int64) if values.dtype.kind == "f" else values
    counts = np.bincount(values.reshape(-1))
    present = np.flatnonzero(counts)
    full = _full_range(values, kind)
    soft = (present > 0) & (present < NEARLY_FULL * full)
    return MaskFacts(kind, present, counts[present], full, not soft.any() or _are_edges(values, full, kind))


def kind_of(decoded: Decoded) -> Kind:
    """How values are kept in a file: the range is decided for each kind."""
    if decoded.lossy:
        return "lossy"
    return "8 bit" if decoded.values.dtype == np.uint8 else "16 bit"


def mask_values(decoded: Decoded, path: Path) -> NDArray:
    """Values of a mask in the units of its file: largest colour channel times opacity.

    Args:
        decoded: the content of the file.
        path: of the file, for errors.

    Returns:
        [H,W].

    Raises:
        Unreadable: for values that are not whole numbers from 0 to 65535.
    """
    values = decoded.values
    if values.dtype != np.uint8 and (not is_deep(values) or values.min() < 0 or values.max() > 65535):
        raise Unreadable.because(path, "float or 32-bit values; save it with 8 or 16 bits")
    if values.ndim == 3:
        values = values.max(axis=2)
    return values if decoded.opacity is None else values * decoded.opacity


def _full_range(values: NDArray, kind: Kind) -> int:
    largest = float(values.max())
    return LOSSY_FULL if kind == "lossy" else next(limit for limit in FULL_RANGES if largest <= limit)


def _are_edges(values: NDArray, full: int, kind: Kind) -> bool:
    """Whether nearly all values in between lie near bright ones; faint ones, which ringing is, may lie further off."""
    between = (values > 0) & (values < BRIGHT * full)
    faint = between & (values <= FAINT * full)
    if kind == "lossy":  # traces of compression in an empty mask
        between, faint = between & ~faint, np.zeros_like(faint)
    bright = np.ascontiguousarray(values >= BRIGHT * full, dtype=np.uint8)
    near = _lie_near(between & ~faint, bright, REACH) and _lie_near(faint, bright, FAINT_REACH)
    return near or (kind != "lossy" and bool(bright.any()) and _are_reduced(values, between))


def _are_reduced(values: NDArray, between: NDArray[np.bool_]) -> bool:
    """Whether values in between are as reducing a mask leaves them, also where a thin crack is nowhere full.

    They are of several kinds, and hardly ever the same all around a pixel, as in an area of a class.
    """
    counts = np.bincount(np.rint(values[between]).astype(np.int64))
    if np.count_nonzero(counts) < FEWEST or counts.max() > LARGEST_PART * counts.sum():
        return False
    single = np.ascontiguousarray(values, np.float32)
    around = np.ones((3, 3), np.uint8)
    flat = between & (cv2.erode(single, around) == cv2.dilate(single, around))
    return bool(flat.sum() <= (1 - MOSTLY) / 2 * between.sum())


def _lie_near(pixels: NDArray[np.bool_], bright: NDArray[np.uint8], reach: int) -> bool:
    near = cv2.dilate(bright, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    return bool((pixels & near).sum() >= MOSTLY * pixels.sum())
