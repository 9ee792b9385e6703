"""Files that are written whole or not at all: to a temporary file beside, then renamed into place."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from contracts.cells import table_text
from contracts.errors import UserError
from contracts.names import BYTES_AS_HEX

REPAIR = "make room, or choose another folder"
ENDING = ".tmp"  # of the temporary file, after the whole name of the other


class Unwritable(UserError):
    """A disk that refused: full, without permission, gone. It will refuse the next file as well."""


def unwritable(path: Path, error: OSError, repair: str = REPAIR) -> Unwritable:
    """The error for a file that could not be written."""
    return Unwritable(f"{path}: cannot be written ({error.strerror or error}); {repair}")


@contextmanager
def replacing(path: Path, repair: str = REPAIR) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of ``path`` at the end, and only if nothing was raised.

    Missing folders are made; of a link, what it points to is replaced.

    Args:
        path: of the file.
        repair: what the message of an error advises.

    Raises:
        Unwritable: in place of an OSError. What was there before is then still there, and nothing is left beside it.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(target.name + ENDING)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:  # around open as well: Ctrl-C can come between the file's making and the first line that writes to it
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error, repair) from None


def write_bytes(path: Path, content: bytes | memoryview, repair: str = REPAIR) -> None:
    """Write a whole file, as ``replacing`` does.

    Args:
        path: of the file.
        content: what it is to hold.
        repair: what the message of an error advises.
    """
    with replacing(path, repair) as file:
        file.write(content)


def write_text(path: Path, text: str, repair: str = REPAIR) -> None:
    """Write a whole file in UTF-8, as ``replacing`` does.

    Args:
        path: of the file.
        text: bytes of names in it that are no text are written as \\xNN.
        repair: what the message of an error advises.
    """
    write_bytes(path, text.encode("utf-8", BYTES_AS_HEX), repair)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], repair: str = REPAIR) -> None:
    """Write a CSV file for people and spreadsheets, as ``contracts.cells.table_text`` makes it.

    Args:
        path: of the file.
        rows: values by column; what a row lacks stays empty.
        repair: what the message of an error advises.
    """
    write_text(path, table_text(rows), repair)


def write_rows(path: Path, rows: Iterable[Sequence[str]], repair: str = REPAIR) -> None:
    """Write a CSV file of cells, row by row: they need not fit into memory.

    It is for programs: every cell is written as given, also one that a spreadsheet would take as a formula.

    Args:
        path: of the file.
        rows: each is written as soon as it is drawn from the iterable.
        repair: what the message of an error advises.
    """
    with replacing(path, repair) as file:
        text = io.TextIOWrapper(file, "utf-8", BYTES_AS_HEX, newline="", write_through=True)
        try:
            csv.writer(text, lineterminator="\n").writerows(rows)
        finally:
            text.detach()  # else it would close the file


class Appended:
    """A file that grows line by line, each of them handed to the system at once.

    Args:
        path: of the file, which is made with its folder when missing.

    Raises:
        Unwritable: where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)  # nothing is kept back that a close would fail to write
        except OSError as error:
            raise unwritable(path, error) from None

    def line(self, text: str) -> None:
        """Write one line."""
        remaining = memoryview(f"{text}\n".encode("utf-8", "backslashreplace"))
        try:
            while remaining:
                remaining = remaining[self._file.write(remaining) :]
        except OSError as error:
            raise unwritable(self.path, error) from None

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()
