"""Which photographs a source holds: each by its name, with a digest of what is learned from it, wherever files lie."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.names import first_of
from data.facts import facts_of
from data.protocol import Source

Catalogue = dict[str, str]  # name -> digest of the photograph and its mask or label
KINDS = ("added", "removed", "changed")


def catalogue(source: Source) -> Catalogue:
    """The photographs of a source by name; of a source without facts, names are all that is compared."""
    names = [source.name(index) for index in range(len(source))]
    facts = facts_of(source)
    if facts is None:
        return dict.fromkeys(names, "")
    return {name: known.digest + known.taught for name, known in zip(names, facts, strict=True)}


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """How two catalogues differ: their numbers of photographs, and the first names of each kind of change.

    Args:
        before: the earlier catalogue.
        now: the later one.

    Returns:
        A message, or None where they do not differ.
    """
    changes = (
        sorted(now.keys() - before.keys()),
        sorted(before.keys() - now.keys()),
        sorted(name for name in before.keys() & now.keys() if before[name] != now[name]),
    )
    counts = [
        f"{len(names)} {kind} ({first_of(names, 3)})" for kind, names in zip(KINDS, changes, strict=True) if names
    ]
    return f"{len(before)} then, {len(now)} now: {', '.join(counts)}" if counts else None
