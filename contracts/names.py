"""File names as text that can be printed, hashed and written: bytes that are no UTF-8 as \\xNN, line ends as \\n."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence

BYTES_AS_HEX = "bytes_as_hex"  # errors= of streams and str.encode: what cannot be shown is escaped, never an exception


def readable(name: str) -> str:
    """A name as Python holds it, its bytes that are no UTF-8 written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def one_line(text: str) -> str:
    """Text with its line ends written out, as names of files may hold some."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def first_of(items: Sequence[object], most: int) -> str:
    """The first items of a list as text, with dots behind them where there are more.

    Args:
        items: what is listed.
        most: number of items that are written out.
    """
    return ", ".join(map(str, items[:most])) + (", ..." if len(items) > most else "")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Error handler of ``codecs``: the text to write instead, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    escaped = (
        f"\\x{ord(character) - 0xDC00:02x}"
        if 0xDC80 <= ord(character) <= 0xDCFF  # a byte that os.fsdecode could not make text of
        else character.encode("ascii", "backslashreplace").decode("ascii")
        for character in characters
    )
    return "".join(escaped), error.end


codecs.register_error(BYTES_AS_HEX, _escape)
