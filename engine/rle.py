"""Run-length encoding of masks, as image-segmentation competitions exchange them.

Pixels are numbered from 1, down the columns and then from left to right; a mask is the list "start length
start length ..." of its runs of crack pixels.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError

HEADING = ("ImageId", "EncodedPixels")


def encode(mask: NDArray) -> str:
    """The runs of a mask [H,W] (crack where not 0), "" for an empty one."""
    flat = np.concatenate([[0], np.asarray(mask).T.reshape(-1) != 0, [0]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(flat))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def decode(runs: str, height: int, width: int) -> NDArray[np.uint8]:
    """The mask uint8 [height,width] in {0, 1} of some runs. Raises ValueError for runs that are none of such a mask."""
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


def check_new(path: Path, overwrite: bool) -> None:
    """Raise UserError for a file that exists (unless ``overwrite``), or whose name is not that of a CSV file."""
    if path.suffix.lower() != ".csv":
        raise UserError(f"--rle {path}: give a file that ends in .csv")  # never a photograph, whatever --overwrite says
    if path.exists() and not overwrite:
        raise UserError(f"--rle {path} exists; give --overwrite to replace it, or another file")


class Submission:
    """A CSV file with a line for each photograph, written as soon as it is done: nothing is lost by Ctrl-C."""

    def __init__(self, path: Path) -> None:
        """Start the file, in place of one that is there. Raises UserError if it cannot be written."""
        self.path = path
        self._write(HEADING, "w")

    def add(self, name: str, mask: NDArray) -> None:
        """Write the line of a photograph's mask [H,W]."""
        self._write((name, encode(mask)), "a")

    def _write(self, cells: tuple[str, str], mode: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(cells)
        except OSError as error:
            raise UserError(f"--rle {self.path} cannot be written ({error.strerror}); give another file") from None
