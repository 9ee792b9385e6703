"""Run-length encoding of masks, as image-segmentation competitions exchange them.

Pixels are numbered from 1, down the columns and then from left to right; a mask is the list "start length
start length ..." of its runs of crack pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from contracts.files import write_rows
from engine.runtime.experiment import require_writable

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


def check_new(path: Path, photographs: Sequence[Path], overwrite: bool, resume: bool) -> None:
    """Make sure that masks can be written to a file.

    Args:
        path: of the file.
        photographs: whose masks will be in it, by their names.
        overwrite: whether a file that exists is replaced.
        resume: whether it is, if it holds masks.

    Raises:
        UserError: for a file that exists all the same, that is no CSV file by its name, or that could not tell two
            photographs apart.
    """
    if path.suffix.lower() != ".csv":
        raise UserError(f"--rle {path}: give a file that ends in .csv")  # never a photograph, whatever --overwrite says
    if path.exists() and not overwrite:
        if not resume:
            raise UserError(f"--rle {path} exists; give --overwrite to replace it, or another file")
        with path.open("rb") as file:
            if file.readline().rstrip() != ",".join(HEADING).encode():
                raise UserError(f"--rle {path} is not one of these files; give --overwrite as well, or another file")
    require_writable(path.parent, "--rle")
    seen: dict[str, Path] = {}
    for photograph in photographs:
        other = seen.setdefault(photograph.name, photograph)
        if other is not photograph:
            message = f"--rle {path}: {other} and {photograph} would both be '{photograph.name}' in it"
            raise UserError(f"{message}; rename one, or write a file for each folder")


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


def read_mask_file(path: Path) -> NDArray[np.uint8]:
    """A mask that was written, uint8 [H,W]. Raises UserError if it is not there any more, or something else."""
    try:
        mask = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        mask = None
    if mask is None:
        raise UserError(f"{path}: this mask was changed or removed meanwhile; run the same with --resume")
    return mask.astype(np.uint8, copy=False)
