"""Which photographs an experiment was trained on and chosen by, as far as its options and this machine tell."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.ship.terms import DRAWN


@dataclass(frozen=True)
class PhotographSplit:
    """The photographs of one entry of ``datasets``.

    Args:
        folders: how many of them by the folder of their source, None where that is not known.
        lists: the split lists with the first 16 digits of their SHA-256, None for one that is not on this machine.
    """

    folders: dict[str, int | None]
    lists: dict[str, str | None]


def split_of(entry: Mapping[str, Any] | None) -> PhotographSplit:
    """What an entry of the options' section ``datasets``, as plain data, names."""
    if entry is None:
        return PhotographSplit({}, {})
    if entry.get("type", "synthetic") == "synthetic":
        return PhotographSplit({DRAWN: entry.get("count")}, {})
    root, listed = Path(entry["root"]), entry.get("lists")
    lists = [listed] if isinstance(listed, str) else list(listed or [])
    if not lists:
        return PhotographSplit({root.resolve().name: None}, {})
    counted: Counter[str] = Counter()
    digests: dict[str, str | None] = {}
    for name in lists:
        list_file = next((path for path in (Path(name), root / name) if path.is_file()), None)
        digests[Path(name).name] = (
            None if list_file is None else hashlib.sha256(list_file.read_bytes()).hexdigest()[:16]
        )
        if list_file is not None:
            counted.update(_folders(list_file, root.resolve().name))
    return PhotographSplit(dict(counted), digests)


def _folders(path: Path, root_name: str) -> Iterator[str]:
    """The folder of each line FOLDER/STEM; of a line STEM that of the root."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            yield text.split("/")[0] if "/" in text else root_name
