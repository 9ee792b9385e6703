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
class Part:
    """The photographs of one entry of ``datasets``.

    folders: how many of them by the folder of their source, None where that is not known; lists: the split lists with
    the first 16 digits of their SHA-256, None for one that is not on this machine.
    """

    folders: dict[str, int | None]
    lists: dict[str, str | None]


def part_of(entry: Mapping[str, Any] | None) -> Part:
    """What an entry of the options' section ``datasets``, as plain data, names."""
    if entry is None:
        return Part({}, {})
    if entry.get("type", "synthetic") == "synthetic":
        return Part({DRAWN: entry.get("count")}, {})
    root, given = Path(entry["root"]), entry.get("lists")
    lists = [given] if isinstance(given, str) else list(given or [])
    if not lists:
        return Part({root.resolve().name: None}, {})
    counted: Counter[str] = Counter()
    digests: dict[str, str | None] = {}
    for one in lists:
        found = next((path for path in (Path(one), root / one) if path.is_file()), None)
        digests[Path(one).name] = None if found is None else hashlib.sha256(found.read_bytes()).hexdigest()[:16]
        if found is not None:
            counted.update(_folders(found, root.resolve().name))
    return Part(dict(counted), digests)


def _folders(path: Path, otherwise: str) -> Iterator[str]:
    """The folder of each line FOLDER/STEM; of a line STEM that of the root."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            yield text.split("/")[0] if "/" in text else otherwise
