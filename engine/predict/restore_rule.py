"""Whether a photograph is restored before its cracks are looked for: what ``--restore`` means, in one place.

Restored, a crack is ``scale`` times as wide, and hairlines are seen; but so is what only looks like one, and a wide
crack is torn apart. So ``auto`` decides by the size of the photograph and by how thin the cracks in it are.
"""

from __future__ import annotations

import numpy as np

from contracts.errors import UserError
from metrics.centreline import mean_width

RESTORE = ("auto", "always", "never")
SMALL = 0.04  # megapixels; auto restores photographs up to this size without a look: they are reduced ones
UNDECIDED = 1.5  # megapixels; up to this size auto looks first: restored it takes 16 times as long
THIN = 4.0  # px; auto restores what holds cracks thinner than this, by their mean width as found without restoring
SMALLEST = 8  # px


def restores(chosen: str, height: int, width: int, name: str) -> bool | None:
    """Whether to restore a photograph.

    Args:
        chosen: "auto", "always" or "never".
        height: of the photograph, pixels.
        width: likewise.
        name: of it, for errors.

    Returns:
        None: see ``is_thin`` first.

    Raises:
        UserError: for one that is too small to look at.
    """
    if min(height, width) < SMALLEST:
        raise UserError(f"{name}: {width}x{height} pixels are too few; give at least {SMALLEST} a side")
    if chosen != "auto":
        return chosen == "always"
    megapixels = height * width / 1e6
    if megapixels <= SMALL:
        return True
    return None if megapixels <= UNDECIDED else False


def is_thin(width: float | None) -> bool:
    """Whether cracks of that mean width in pixels are better looked for restored; None: there are none."""
    return width is not None and width < THIN


def how(chosen: str, scale: int, width: float | None, looked: bool) -> str:
    """What is said of a photograph: restored or not, and if ``auto`` decided it, why.

    Args:
        chosen: "auto", "always" or "never".
        scale: of the restored image, 1 if there is none.
        width: mean width of its cracks in pixels; None: there are none.
        looked: whether that width decided.
    """
    description = f"restored x{scale}" if scale > 1 else "not restored"
    if chosen != "auto":
        return description
    if looked:
        return f"{description} ({'no crack seen' if width is None else f'cracks about {width:.1f} px wide'})"
    return (
        description if scale > 1 else f"{description} (above {UNDECIDED} megapixels; for hairlines: --restore always)"
    )


def least_seen(minimum_area: int) -> int:
    """Pixels in all from which on something is seen, where regions of fewer than ``minimum_area`` are no cracks."""
    return max(1, 2 * minimum_area)


def width_of(probability: np.ndarray, threshold: float, least: int = 1) -> float | None:
    """The mean width in pixels of what is seen as crack.

    Args:
        probability: [H,W] in [0, 1].
        threshold: crack from this probability on.
        least: number of crack pixels below which there are only small regions: None is returned.
    """
    seen = probability >= threshold
    return mean_width(seen) if np.count_nonzero(seen) >= least else None
