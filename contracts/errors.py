"""Errors that a user can repair, and the one way names are looked up in a family's table."""

from __future__ import annotations

import difflib
import errno
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from contracts.names import BYTES_AS_HEX, one_line

Value = TypeVar("Value")
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)  # of a disk


class UserError(Exception):
    """A mistake in what the user gave: one line that names the thing and the repair; exit code 2."""


class ArgumentError(UserError, ValueError):
    """An argument of which nothing can be made; names it. Whoever builds from options adds the option (``at``)."""


@contextmanager
def at(option: str) -> Iterator[None]:
    """Say which option of a file (its YAML path) the arguments used inside come from."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint at what was probably meant.

    Args:
        name: what was given.
        valid: the names that there are.

    Returns:
        ``" (did you mean 'x'?)"`` for the closest valid name, or an empty string.
    """
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def lookup(table: Mapping[str, Value], name: str, what: str) -> Value:
    """Return ``table[name]``.

    Args:
        table: the members of a family by name.
        name: the key to look up.
        what: the kind of member, for the message.

    Raises:
        ArgumentError: for an unknown name, with the valid ones.
    """
    if name not in table:
        valid = ", ".join(sorted(table))
        raise ArgumentError(f"unknown {what} '{name}'{nearest(name, table)}; choose one of: {valid}")
    return table[name]


def run_main(main: Callable[[], int | None]) -> None:
    """Run a script's ``main``; a UserError becomes one line on stderr and exit code 2, Ctrl-C 130.

    So does a disk that is full or may not be written to, wherever it shows. A KeyboardInterrupt may
    carry what there is to say, such as how to go on. What the output cannot show, such as the bytes of a
    file name that is no UTF-8, is printed as \\xNN.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=BYTES_AS_HEX)
    try:
        code = main()
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        file = f"{error.filename}: " if error.filename else ""
        print(f"error: {file}{error.strerror}; make room, or choose another folder", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print("stopped by Ctrl-C" + (f": {stop}" if str(stop) else ""), file=sys.stderr)
        sys.exit(130)
    sys.exit(code or 0)
