"""Keys of options that have another name now. The old ones keep working; a line names the new one."""

from __future__ import annotations

import os
from typing import Any

from contracts.errors import UserError

RENAMED = {"train.recompute": "train.gradient_checkpointing", "train.accumulate": "train.accumulate_grad_batches"}


def rename_keys(tree: dict[str, Any], place: str | None) -> None:
    """Give old keys in a tree of options their names of today, in place.

    place: the file, for the line about it; None: kept options, of which nothing is said. Raises UserError where both
    names are given.
    """
    for old, new in RENAMED.items():
        *sections, last = old.split(".")
        node: Any = tree
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            continue
        name = new.rpartition(".")[2]
        if name in node:
            raise UserError(f"{place or 'options'}: {old} is the old name of {new}; give one of them")
        node[name] = node.pop(last)
        _tell(place, old, new)


def renamed(keys: str, place: str) -> str:
    """The path of keys of a change (``a:b``) with names of today."""
    old = keys.replace(":", ".")
    if old not in RENAMED:
        return keys
    _tell(place, old, RENAMED[old])
    return RENAMED[old].replace(".", ":")


def _tell(place: str | None, old: str, new: str) -> None:
    if place is not None and os.environ.get("RANK", "0") == "0":
        print(f"{place}: {old} is called {new} now; the old name still works", flush=True)
