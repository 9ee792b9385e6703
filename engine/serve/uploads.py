"""The folder that photographs wait in between their arrival and their reading: how much it may hold, and how long."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from engine.serve.received import MOST_BYTES

Channel = Callable[..., Awaitable[Any]]
MOST_SENT = MOST_BYTES + 2**20  # bytes of one upload with all that is around its files
MOST_WAITING = 8  # files
PATIENCE = 120  # s that a file waits to be read


class Uploads:
    """What lies in the folder; gradio writes there, and this counts and clears.

    gradio writes to files at the top of the folder, moves them to folders of one file each when they are whole, and
    leaves an empty file at the top for each that the page was told of.

    Args:
        folder: of this page alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.arriving = folder, 0

    def full(self) -> bool:
        """Whether another one would be too many, after what waited too long or was left over is removed."""
        waiting = 0
        for place in self.folder.iterdir():
            if not place.is_dir():
                if self.arriving == 0:
                    place.unlink(missing_ok=True)
                continue
            waiting += sum(not _forgotten(file) for file in place.iterdir())
            if self.arriving == 0 and not any(place.iterdir()):
                place.rmdir()
        return waiting + self.arriving >= MOST_WAITING


def _forgotten(file: Path) -> bool:
    """Remove a file if it waited too long, or was read meanwhile; say whether it is gone."""
    try:
        if time.time() - file.stat().st_mtime > PATIENCE:
            file.unlink()
    except FileNotFoundError:
        return True
    return not file.exists()


def limited(receive: Channel) -> Channel:
    """The body of a request as it arrives, up to ``MOST_SENT`` bytes, whatever its header says.

    Args:
        receive: of ASGI.

    Returns:
        The same; beyond that it raises what has gradio remove the files that it began, and answer 413.
    """
    from starlette.formparsers import MultiPartException

    arrived = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal arrived
        message: MutableMapping[str, Any] = await receive()
        arrived += len(message.get("body", b""))
        if arrived > MOST_SENT:
            raise MultiPartException(f"Upload exceeded maximum allowed size of {MOST_SENT} bytes.")
        return message

    return counted
