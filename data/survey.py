"""Looking at every file of a set before any work: decoded once, so that all that is wrong shows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from data.decode import Decoded, Unreadable, decode
from data.depth import FULL_DEPTH, is_deep
from data.images import as_photograph
from data.masks import MaskFacts, mask_facts, mask_values
from data.orientation import UPRIGHT
from data.pairing import Pair

Item = TypeVar("Item")
Found = TypeVar("Found")
Progress = Callable[[int, int], None]  # files done, of how many
FIRST = 10  # files named of all that are wrong
DIGEST_BYTES = 8


@dataclass(frozen=True)
class PhotoFacts:
    """What decoding a photograph showed.

    Attributes:
        path: of the file.
        digest: of its upright pixels.
        size: (height, width), upright.
        orientation: EXIF, 1..8.
        largest: value of a file of more than 8 bits, else None.
        notes: what had to be assumed.
    """

    path: Path
    digest: str
    size: tuple[int, int]
    orientation: int
    largest: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PairFacts:
    """A photograph and its mask.

    Attributes:
        pair: the files.
        photo: what decoding the photograph showed.
        mask: what the values of the mask look like.
        taught: digest of the mask's values.
        mask_size: (height, width) as its own EXIF orientation turns it.
        mask_turned: whether that does turn it.
    """

    pair: Pair
    photo: PhotoFacts
    mask: MaskFacts
    taught: str
    mask_size: tuple[int, int]
    mask_turned: bool


def look_at_photograph(path: Path) -> PhotoFacts:
    """Decode a photograph and tell about it. Raises UserError for one that cannot be read."""
    decoded = decode(path)
    deep = is_deep(decoded.values)
    notes = as_photograph(decoded, path, FULL_DEPTH if deep else None).notes  # how deep is decided for the set
    largest = int(decoded.values.max()) if deep else None
    return PhotoFacts(path, digest_of(decoded.values), _size(decoded), decoded.orientation, largest, notes)


def look_at_pair(pair: Pair) -> PairFacts:
    """Decode a photograph and its mask and tell about them. Raises UserError for what cannot be read."""
    photo, decoded = look_at_photograph(pair.image), decode(pair.mask)
    turned = decoded.orientation != UPRIGHT
    taught = digest_of(mask_values(decoded, pair.mask))
    return PairFacts(pair, photo, mask_facts(decoded, pair.mask), taught, _size(decoded), turned)


def survey(items: Sequence[Item], look: Callable[[Item], Found], progress: Progress | None = None) -> list[Found]:
    """Look at every item, in threads.

    Args:
        items: paths or pairs.
        look: returns what it finds at an item, or raises UserError.
        progress: called with the number of items looked at, and of all.

    Returns:
        The results in order.

    Raises:
        UserError: one that names all that were raised.
    """
    results: list[Found] = []
    errors: list[UserError] = []

    def attempt(item: Item) -> Found | UserError:
        try:
            return look(item)
        except UserError as error:
            return error

    affinity = getattr(os, "sched_getaffinity", None)  # of Linux
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=max(1, min(8, cores))) as pool:
        for done, result in enumerate(pool.map(attempt, items), start=1):
            if isinstance(result, UserError):
                errors.append(result)
            else:
                results.append(result)
            if progress is not None:
                progress(done, len(items))
    if errors:
        raise together(errors, len(items))
    return results


def together(errors: Sequence[UserError], total: int) -> UserError:
    """One error for several photographs: those that cannot be read by name and reason, then the repair.

    Args:
        errors: at least one, of one photograph each.
        total: number of photographs that were looked at.
    """
    if len(errors) == 1:
        return errors[0]
    reasons = [error.what if isinstance(error, Unreadable) else str(error) for error in errors]
    others = f" | and {len(errors) - FIRST} more" if len(errors) > FIRST else ""
    repair = "; replace or remove these files" if any(isinstance(error, Unreadable) for error in errors) else ""
    return UserError(
        f"{len(errors)} of {total} photographs cannot be used: {' | '.join(reasons[:FIRST])}{others}{repair}"
    )


def digest_of(pixels: NDArray) -> str:
    """16 hexadecimal digits that stand for the content of an array, whatever file it came from."""
    head = f"{pixels.dtype}{pixels.shape}".encode()
    return hashlib.blake2b(head + np.ascontiguousarray(pixels).tobytes(), digest_size=DIGEST_BYTES).hexdigest()


def _size(decoded: Decoded) -> tuple[int, int]:
    height, width = decoded.values.shape[:2]
    return height, width
