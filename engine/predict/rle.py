"""Run-length encoding of masks, as image-segmentation competitions exchange them.

Pixels are numbered from 1, down the columns and then from left to right; a mask is the list "start length
start length ..." of its runs of crack pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.files import write_rows
from engine.predict.mask_files import read_mask_file

HEADING = ("ImageId", "EncodedPixels")


def encode(mask: NDArray) -> str:
    """The runs of a mask [H,W] (crack where not 0), "" for an empty one."""
    flat = np.concatenate([[0], np.asarray(mask).T.reshape(-1) != 0, [0]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(flat))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def decode(runs: str, height: int, width: int) -> NDArray[np.uint8]:
    """The mask uint8 [height,width] in {0, 1} of some runs.

    Args:
        runs: as ``encode`` gives them.
        height: of the mask, pixels.
        width: likewise.

    Raises:
        ValueError: for runs that are none of such a mask.
    """
    numbers = np.array(runs.split(), dtype=np.int64)
    if numbers.size % 2:
        raise ValueError(f"an odd number of values ({numbers.size}) is no list of starts and lengths")
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    ends = starts + lengths
    if numbers.size and ((lengths < 1).any() or (starts < np.r_[0, ends[:-1]]).any() or ends[-1] > height * width):
        raise ValueError(f"runs overlap, are empty or leave an image of {height} x {width} pixels")
    steps = np.zeros(height * width + 1, np.int64)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    return np.cumsum(steps[:-1]).astype(np.uint8).reshape(width, height).T


def write_submission(path: Path, masks: Iterable[tuple[str, Path]]) -> None:
    """Write the CSV file, whole or not at all.

    Args:
        path: of the file.
        masks: the name of each photograph, and the file of its mask [H,W].

    Raises:
        UserError: for a mask that cannot be read, and where the disk refuses.
    """
    rows = ((name, encode(read_mask_file(mask))) for name, mask in masks)
    write_rows(path, chain([HEADING], rows), "make room, or give another file with --rle")
