"""Small sets of drawn photographs and masks on disk, as people keep them: with other values, turns, names and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from data.folders import find_pairs
from data.reading import Reading
from data.sources import FilePairs
from data.synthetic import SyntheticSource

COUNT = 6
DRAWN = SyntheticSource(12, size=96, seed=5)
CRACKED = [index for index in range(len(DRAWN)) if DRAWN.load(index)[1].any()][:COUNT]
Edit = Callable[[np.ndarray, int], np.ndarray]


def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Photograph uint8 [96,96,3] and mask uint8 [96,96] in {0, 1} with a crack."""
    return DRAWN.load(CRACKED[number])


def write_set(
    root: Path, edit: Edit = lambda mask, number: mask * np.uint8(255), suffix: str = ".png", name: str = "{:03d}",
    photo_suffix: str = ".png", numbers: range = range(COUNT), **options: object,
) -> Path:  # fmt: skip
    """Write ``root``/images and ``root``/masks; ``edit`` makes of a mask in {0, 1} and its number what is written."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        photo, mask = drawn(number)
        Image.fromarray(photo).save(root / "images" / f"{number:03d}{photo_suffix}", quality=95)
        Image.fromarray(edit(mask, number)).save(root / "masks" / f"{name.format(number)}{suffix}", **options)
    return root


def read_set(root: Path, **reading: object) -> FilePairs:
    """The set as a source."""
    notes: list[str] = []
    return FilePairs(find_pairs(root, notes=notes), reading=Reading(**reading), notes=notes)


def assert_reads_as_drawn(source: FilePairs) -> None:
    """The masks of the source are those that were drawn, and so are their shares."""
    assert len(source) == COUNT
    for number in range(COUNT):
        np.testing.assert_array_equal(source.load(number)[1], drawn(number)[1])
        assert source.facts()[number].crack == drawn(number)[1].mean()
