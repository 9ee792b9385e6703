"""What is known of each photograph of a source without loading it: its content's digest, how much of it is crack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

from contracts.errors import UserError
from contracts.names import first_of
from data.protocol import Source

MUCH = 0.5  # share of crack above which a mask is probably inverted
NAMED = 4


@dataclass(frozen=True)
class Facts:
    """What is known of a photograph as it is stored, before any resizing.

    Attributes:
        digest: 16 hexadecimal digits for what the photograph shows.
        crack: share of its mask, NaN if it is not known.
        taught: what is learned from it, the digest of its mask or a label; "" where the photograph is all there is.
    """

    digest: str
    crack: float = nan
    taught: str = ""


def facts_of(source: Source) -> tuple[Facts, ...] | None:
    """The facts of each photograph in order; None from a source that has none."""
    facts = getattr(source, "facts", None)
    return None if facts is None else facts()


def digests_of(source: Source) -> list[str]:
    """The digest of each photograph; empty for a source without facts."""
    return [facts.digest for facts in facts_of(source) or ()]


def before_resizing(source: Source) -> Source:
    """The source whose photographs some resized ones are made of; the source itself where none are resized."""
    return next((inner.source for inner in _chain(source) if hasattr(inner, "new_size")), source)


def has_crack(source: Source, index: int) -> bool:
    """Whether the mask of a photograph has any crack pixel, before resizing.

    Args:
        source: the photographs.
        index: of the photograph; it is loaded if its facts say nothing of cracks.
    """
    facts = facts_of(source)
    if facts is not None and not isnan(facts[index].crack):
        return facts[index].crack > 0
    return bool((before_resizing(source).load(index)[1] >= 0.5).any())


def describe(source: Source, what: str) -> list[str]:
    """Describe a source: its photographs, cracks, empty masks, what was assumed, what is odd.

    Args:
        source: the photographs.
        what: what messages call the source.

    Returns:
        Lines of text.
    """
    facts = facts_of(source) or ()
    lines = [f"{what}: {len(source)} photographs", *(f"{what}: {note}" for note in notes_of(source))]
    shares = [known.crack for known in facts if not isnan(known.crack)]
    if not shares:
        return lines
    mean = sum(shares) / len(shares)
    lines[0] += f", {100 * mean:.2f}% crack, {shares.count(0)} masks empty"
    inverted = [source.name(index) for index, photograph in enumerate(facts) if photograph.crack > MUCH]
    if inverted:
        names = first_of([f"'{name}'" for name in inverted], NAMED)
        lines.append(
            f"warning: {what}: over half of {len(inverted)} masks is crack ({names}, {100 * mean:.0f}% in all); if "
            "they are inverted, say crack_values: [0], which takes black as crack, or invert the files"
        )
    return lines


def notes_of(source: Source) -> tuple[str, ...]:
    """What was assumed in reading the files that a source is made of."""
    return next((tuple(inner.notes) for inner in _chain(source) if hasattr(inner, "notes")), ())


def repeated(source: Source, digests: set[str]) -> list[str]:
    """Names of the photographs whose content is known already.

    Args:
        source: the photographs.
        digests: of the known contents, as in ``Facts``.
    """
    facts = facts_of(source) or ()
    return [source.name(index) for index, known in enumerate(facts) if known.digest in digests]


def require_cracks(source: Source, what: str) -> None:
    """Check that some mask has a crack pixel; stops at the first that has one.

    Args:
        source: the photographs.
        what: what the message calls the source, e.g. "datasets:train".

    Raises:
        UserError: if all masks are empty.
    """
    if not any(has_crack(source, index) for index in range(len(source))):
        raise UserError(
            f"{what}: the masks of all {len(source)} images are empty, so there is no crack to learn; "
            "check that cracks are white (255, or 1) on black in the mask files"
        )


def _chain(source: Source) -> Iterator[Any]:
    """A source, the one that it is made of, and so on."""
    inner: Any = source
    while inner is not None:
        yield inner
        inner = getattr(inner, "source", None)
