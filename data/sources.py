"""Sources: numbered photographs with masks, from folders or parts of other sources, and their identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from data.folders import Pair, check_same_size, check_sizes
from data.images import read_image
from data.masks import read_mask

Loaded = tuple[NDArray[np.uint8], NDArray]


class Source(Protocol):
    """Numbered photographs with masks; ``load`` gives the same arrays at every call.

    A source may also have ``identity()``: what makes it up, as values that JSON can hold.
    """

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """The name of one photograph, unique in the source."""
        ...

    def load(self, index: int) -> Loaded:
        """Image uint8 [H,W,3] RGB and mask [H,W]: uint8 {0, 1}, or float32 0..1 if not binarised."""
        ...


class Cached:
    """Any source, its photographs kept in memory until ``cache_mb`` MiB are full (0: none).

    What is in stays in: with every photograph read once per epoch, throwing out the oldest would
    leave nothing to find. The limit holds for each process; forked workers share what was loaded
    before they started, spawned ones start empty. Arrays are handed out read-only.
    """

    def __init__(self, source: Source, cache_mb: float = 1024) -> None:
        self.source = source
        self.free_bytes = self.cache_bytes = int(cache_mb * 2**20)
        self._kept: dict[int, Loaded] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_kept": {}, "free_bytes": self.cache_bytes}

    def name(self, index: int) -> str:
        """The photograph's name in the source."""
        return self.source.name(index)

    def load(self, index: int) -> Loaded:
        """Image and mask as the source loads them, read-only."""
        if index in self._kept:
            return self._kept[index]
        loaded = self.source.load(index)
        for array in loaded:
            array.flags.writeable = False
        size = sum(array.nbytes for array in loaded)
        if size <= self.free_bytes:
            self._kept[index] = loaded
            self.free_bytes -= size
        return loaded

    def identity(self) -> object:
        """The identity of the source."""
        return identity_of(self.source)


class FilePairs:
    """Pairs on disk, read at every call. ``binarise`` is `read_mask`'s.

    Raises UserError without pairs, and, before any training, for a pair whose files differ in size
    or cannot be opened.
    """

    def __init__(self, pairs: Sequence[Pair], binarise: bool = True) -> None:
        if not pairs:
            raise UserError("no pair of image and mask in this split: give a root or split list with some")
        check_sizes(pairs)
        self.pairs = tuple(pairs)
        self.binarise = binarise

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """The pair's name, STEM or FOLDER/STEM."""
        return self.pairs[index].name

    def load(self, index: int) -> Loaded:
        """Image uint8 [H,W,3] and mask [H,W]; UserError if they differ in size or cannot be read."""
        pair = self.pairs[index]
        image, mask = read_image(pair.image), read_mask(pair.mask, self.binarise)
        check_same_size(pair, image.shape, mask.shape)
        return image, mask

    def identity(self) -> list:
        """Name, image bytes and mask bytes (file sizes) of every pair."""
        return [[pair.name, pair.image.stat().st_size, pair.mask.stat().st_size] for pair in self.pairs]


class Subset:
    """The photographs of ``source`` at ``indices``, in that order. Raises UserError without indices."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        if not indices:
            raise UserError(f"an empty split of {len(source)} photographs; give more data or other fractions")
        self.source = source
        self.indices = tuple(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """The photograph's name in the whole source."""
        return self.source.name(self.indices[index])

    def load(self, index: int) -> Loaded:
        """Image and mask as the whole source loads them."""
        return self.source.load(self.indices[index])

    def identity(self) -> list:
        """The identity of the whole source and the indices taken."""
        return [identity_of(self.source), list(self.indices)]


def split_random(source: Source, fractions: Sequence[float], seed: int) -> list[Subset]:
    """Split a source into disjoint subsets of the given fractions (their sum at most 1), each sorted by name.

    The order is that of a hash of (seed, name): independent of the machine, the library versions
    and the order of the source. Photographs of one scene are not kept together: use split lists
    for that. Raises UserError for other fractions and for a subset that would be empty.
    """
    if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise UserError(f"split fractions {list(fractions)}: each has to be above 0, and their sum at most 1")
    order = sorted(range(len(source)), key=lambda index: _hash(seed, source.name(index)))
    bounds = np.rint(np.cumsum([0.0, *fractions]) * len(source)).astype(int)
    parts = [order[start:stop] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
    return [Subset(source, sorted(part, key=source.name)) for part in parts]


def require_cracks(source: Source, what: str) -> None:
    """Raise UserError if no mask of the source has a crack pixel; stops at the first that has one.

    ``what`` names the split in the message, e.g. "datasets:train".
    """
    if not any((source.load(index)[1] >= 0.5).any() for index in range(len(source))):
        raise UserError(
            f"{what}: the masks of all {len(source)} images are empty, so there is no crack to learn; "
            "check that cracks are white (255, or 1) on black in the mask files"
        )


def fingerprint(source: Source) -> str:
    """Return 64 hexadecimal digits (SHA-256) that stand for what a source holds, on any machine.

    Taken over the source's ``identity()`` (file names and sizes, generator parameters), or its
    names where it has none.
    """
    return hashlib.sha256(json.dumps(identity_of(source), sort_keys=True).encode()).hexdigest()


def identity_of(source: Source) -> object:
    """Return the source's ``identity()``, or its names where it has none."""
    identity = getattr(source, "identity", None)
    return identity() if identity else [source.name(index) for index in range(len(source))]


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
