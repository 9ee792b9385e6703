"""Sources made of other sources: what they have in common."""

from __future__ import annotations

from data.facts import Facts, facts_of
from data.protocol import Source


def identity_of(source: Source) -> object:
    """Return the source's ``identity()``, or its names where it has none."""
    identity = getattr(source, "identity", None)
    return identity() if identity else [source.name(index) for index in range(len(source))]


class Derived:
    """A source made of another one, photograph by photograph: what a subclass does not say is as it is there."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        """The photograph's name in the source."""
        return self.source.name(index)

    def facts(self) -> tuple[Facts, ...] | None:
        """The facts of the source: what is known of its own photographs."""
        return facts_of(self.source)

    def identity(self) -> object:
        """The identity of the source, as values that JSON can hold."""
        return identity_of(self.source)
