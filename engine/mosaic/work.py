"""The work folder of a mosaic, beside its results: the tiles that are done, and what they were made with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from contracts.files import ENDING, unwritable, write_bytes, write_text
from engine.mosaic.grid import Tile

RECORD, TILES = "made-with.json", "tiles"
OWN = ("segmented.*", "mask*", "probability*", "cracks.*", f"{RECORD}*")  # other files of runs, in that order removed
REPAIR = "make room and go on with --resume"
PIECE = 2**20  # bytes at the beginning, in the middle and at the end of a file that tell it from others
QUICK = 1  # level of compression: probabilities are nearly all 0


def fingerprint(path: Path) -> str:
    """What tells a mosaic from another: its size and some of its bytes, as reading gigabytes would take minutes."""
    size = path.stat().st_size
    hashed = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in (0, size // 2, max(0, size - PIECE)):
            file.seek(start)
            hashed.update(file.read(PIECE))
    return hashed.hexdigest()


class Work:
    """A work folder.

    Args:
        folder: need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def begun(self) -> bool:
        """Whether the folder is that of a run that was stopped, or is running."""
        return (self.folder / RECORD).is_file()

    def check(self, made_with: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        """Refuse a folder that a run can neither begin in nor go on with.

        Args:
            made_with: what tiles depend on, by the names of the options.
            resume: go on, if it was made with the same.
            overwrite: else begin anew.

        Raises:
            UserError: if it was made with something else, is there and neither was asked for, or is none of ours.
        """
        if not self.begun:
            if self.folder.is_symlink() or self.folder.exists():
                self._require_empty()
            return
        if not (resume or overwrite):
            ways = "give --resume to go on with it, or --overwrite to begin anew"
            raise UserError(f"{self.folder} is that of a run that was stopped; {ways}")
        if resume:
            earlier = _read(self.folder / RECORD)
            for name, value in made_with.items():
                if name not in earlier or earlier[name] != value:
                    raise UserError(f"--resume: {self.folder} was begun {_otherwise(name, earlier.get(name), value)}")

    def begin(self, made_with: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        """Make the folder, or go on with that of a stopped run; arguments and errors as of ``check``."""
        self.check(made_with, resume, overwrite)
        if self.begun and resume:
            return
        self.remove()
        write_text(self.folder / RECORD, json.dumps(dict(made_with), sort_keys=True) + "\n", REPAIR)

    def _require_empty(self) -> None:
        """Refuse what is there without a record: a run that is killed before it has one leaves nothing else."""
        if self.folder.is_dir() and all(path.name == RECORD + ENDING for path in self.folder.iterdir()):
            return
        raise UserError(f"{self.folder} is not of this program; rename it, or give another folder with -o")

    def path(self, tile: Tile) -> Path:
        """The file of a tile."""
        return self.folder / TILES / f"{tile.row:05d}" / f"{tile.column:05d}.z"

    def left(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Those that are not done."""
        done = {path.relative_to(self.folder) for path in self.folder.glob(f"{TILES}/*/*.z")}
        return [tile for tile in tiles if self.path(tile).relative_to(self.folder) not in done]

    def keep(self, tile: Tile, values: NDArray[np.uint8]) -> None:
        """Write a tile [h,w]. Raises Unwritable where the disk refuses."""
        head = np.array(values.shape, "<u4").tobytes()
        write_bytes(self.path(tile), head + zlib.compress(values.tobytes(), QUICK), REPAIR)

    def load(self, tile: Tile) -> NDArray[np.uint8]:
        """A tile [h,w] that is done. Raises UserError for one that is damaged."""
        path = self.path(tile)
        try:
            content = path.read_bytes()
            height, width = np.frombuffer(content[:8], "<u4")
            return np.frombuffer(zlib.decompress(content[8:]), np.uint8).reshape(height, width)
        except (OSError, ValueError, zlib.error):
            raise UserError(f"{path} is missing or damaged; remove it and go on with --resume") from None

    def remove(self) -> None:
        """Remove what runs put into the folder, its record last, and the folder unless something else is in it."""
        if not self.folder.is_dir():
            return
        shutil.rmtree(self.folder / TILES, ignore_errors=True)
        for pattern in OWN:
            for path in filter(Path.is_file, self.folder.glob(pattern)):
                path.unlink()
        with suppress(OSError):  # somebody's file is in it
            self.folder.rmdir()


def put_in_place(complete: Sequence[tuple[Path, Path]]) -> None:
    """Give complete files their names.

    Args:
        complete: files and the names they get; the last one tells that all are there, and is removed first.

    Raises:
        Unwritable: where the disk refuses.
    """
    target = complete[-1][1]
    try:
        for file, _ in complete:
            with file.open("rb") as written:
                os.fsync(written.fileno())  # else a power cut leaves names of files that are empty
        target.unlink(missing_ok=True)
        for file, target in complete:
            os.replace(file, target)
    except OSError as error:
        raise unwritable(target, error, REPAIR) from None


def _read(record: Path) -> dict[str, Any]:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{record} is damaged; remove its folder, or give --overwrite to begin anew")
    return content


def _otherwise(name: str, earlier: object, value: object) -> str:
    """How a run was begun otherwise, and what to do."""
    ways = "do the same to go on, or give --overwrite without --resume to begin anew"
    if name == "mosaic":
        return f"with another mosaic; {ways}"
    if name == "weights":
        return f"with other weights; {ways}"
    return f"with {name} {earlier}, not {value}; {ways}"
