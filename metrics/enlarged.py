"""Cracks that were measured in an enlarged image, in pixels of the image that was enlarged.

There a width is found more finely, but a figure is of use only in the pixels that a photograph has. The centre of pixel
(r, c) of the enlarged image lies at ((r + 0.5) / factor - 0.5, (c + 0.5) / factor - 0.5).
"""

from __future__ import annotations

import math
from dataclasses import replace

from metrics.figure import Figure
from metrics.geometry import LEAST_LENGTH, Crack


def reduced(crack: Crack, factor: int) -> Crack:
    """A crack in pixels of the original image.

    Args:
        crack: in pixels of the enlarged image.
        factor: how many times larger that is, by side, 1 or more.

    Returns:
        The same crack: lengths and widths with their uncertainties by the factor smaller, the area by its square (and
        no whole number any more), the box as large as the pixels that the crack touches. What is too short to have a
        length in the original image has none here either: enlarging makes no cracks of specks.
    """
    if factor == 1:
        return crack

    def smaller(figure: Figure | None) -> Figure | None:
        return None if figure is None else figure.times(1 / factor)

    length = smaller(crack.length)
    if length is not None and length.value < LEAST_LENGTH:
        unmeasured = Crack(crack.area, crack.box, reason=f"shorter than {LEAST_LENGTH:g} px")
        return replace(reduced(unmeasured, factor), reason=unmeasured.reason)
    shift = (1 - 1 / factor) / 2  # of the centres of first pixels
    top, left, bottom, right = crack.box
    down, along = crack.widest or (math.nan, math.nan)
    return replace(
        crack,
        area=crack.area / factor**2,
        box=(top // factor, left // factor, -(-bottom // factor), -(-right // factor)),
        length=length,
        mean_width=smaller(crack.mean_width),
        p95_width=smaller(crack.p95_width),
        max_width=smaller(crack.max_width),
        widest=None if crack.widest is None else (down / factor - shift, along / factor - shift),
        lines=tuple(line / factor - shift for line in crack.lines),
        widths=tuple(width / factor for width in crack.widths),
        reason=f"{crack.reason} of the image enlarged {factor} times" if crack.reason else "",
    )
