"""What was found in one photograph, kept so that another threshold needs no network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from contracts.errors import UserError
from engine.predict.photo import Prediction, largest_of_cells
from engine.serve.received import Received
from metrics.geometry import Crack
from metrics.small_regions import remove_small_regions

LOWEST, HIGHEST = 0.05, 0.95  # thresholds that the page takes


@dataclass(frozen=True)
class Shown:
    """What a threshold shows.

    Attributes:
        threshold: crack from this probability on.
        probability: float32 [h,w], of the photograph, regions that are too small lowered.
        fine: likewise where it was segmented.
        cracks: the longest first, lengths and widths in pixels of the photograph.
        note: why nothing was measured, "" otherwise.
        fraction: of the photograph, in [0, 1].
    """

    threshold: float
    probability: np.ndarray
    fine: np.ndarray
    cracks: tuple[Crack, ...]
    note: str
    fraction: float

    @property
    def measured(self) -> tuple[Crack, ...]:
        """The cracks that are large enough."""
        return tuple(crack for crack in self.cracks if not crack.reason)


@dataclass(frozen=True)
class Found:
    """A photograph and what the network says of it.

    Attributes:
        received: the photograph.
        prediction: of ``engine.predict.photo.search`` with all regions.
        how: restored or not, and why.
        minimum_area: regions of fewer segmented pixels are no cracks.
        seconds: that it took.
    """

    received: Received
    prediction: Prediction
    how: str
    minimum_area: int
    seconds: float

    def at(self, threshold: float) -> Shown:
        """What a threshold that the page takes shows; the last ones are kept. Raises UserError for others."""
        if not LOWEST <= threshold <= HIGHEST:
            raise UserError(f"threshold {threshold:g}: the page takes {LOWEST} to {HIGHEST}")
        return _shown(_Identity(self), round(threshold, 4))


class _Identity:
    """A ``Found`` as a key: two are alike if they are one."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.found is self.found

    def __hash__(self) -> int:
        return id(self.found)


@lru_cache(maxsize=3)
def _shown(key: _Identity, threshold: float) -> Shown:
    found = key.found
    prediction = found.prediction
    fine = remove_small_regions(prediction.fine, found.minimum_area, threshold)
    coarse = largest_of_cells(fine, prediction.scale)
    changed = replace(prediction, probability=coarse, fine=fine, threshold=threshold)
    cracks, note = _measured(changed)
    return Shown(threshold, coarse, fine, tuple(cracks), note, changed.crack_fraction())


def _measured(prediction: Prediction) -> tuple[list[Crack], str]:
    """Its cracks, the longest first; or none, and why not."""
    try:
        return sorted(prediction.cracks(), key=_rank), ""
    except UserError:
        return [], "Lengths and widths need the package skan: pip install skan"


def _rank(crack: Crack) -> tuple[float, float]:
    return (0.0 if crack.length is None else -crack.length.value, -crack.area)


def widest_of(cracks: Iterable[Crack]) -> Crack | None:
    """The crack with the largest width, None if there is none with one."""
    known = [crack for crack in cracks if crack.max_width is not None]
    return max(known, key=lambda crack: crack.max_width.value if crack.max_width else 0.0, default=None)
