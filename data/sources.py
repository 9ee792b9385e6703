"""Sources: numbered photographs with masks, from folders or parts of other sources, and their identity."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence

import numpy as np

from contracts.errors import UserError
from data.derived import Derived, identity_of
from data.facts import Facts
from data.images import read_image
from data.masks import read_mask
from data.orientation import UPRIGHT
from data.pairing import Pair
from data.protocol import Loaded, Source
from data.reading import Reading, counted_notes, decide_bits, decide_masks, decide_turn
from data.survey import Progress, look_at_pair, survey


class Cached(Derived):
    """Any source, its photographs kept in memory.

    What is in stays in: with every photograph read once per epoch, throwing out the oldest would
    leave nothing to find. Arrays are handed out read-only.

    Args:
        source: the photographs.
        cache_mb: MiB that may be filled, 0: none. The limit holds for each process; forked workers share what was
            loaded before they started, spawned ones start empty.
    """

    def __init__(self, source: Source, cache_mb: float = 1024) -> None:
        super().__init__(source)
        self.free_bytes = self.cache_bytes = int(cache_mb * 2**20)
        self._kept: dict[int, Loaded] = {}

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_kept": {}, "free_bytes": self.cache_bytes}

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


class FilePairs:
    """Pairs on disk, read at every call; each file is decoded once before (`data.survey`), to see that all is in order.

    Args:
        pairs: the files.
        binarise: as for `read_mask`.
        reading: what the options say of the files.
        notes: what was noted when the files were looked for.
        progress: called with the number of pairs looked at, and of all.

    Raises:
        UserError: without pairs, and, before any training, for pairs that cannot be read or differ in size, and for
            masks and photographs whose values or orientation are not clear.
    """

    def __init__(
        self, pairs: Sequence[Pair], binarise: bool = True, reading: Reading | None = None,
        notes: Sequence[str] = (), progress: Progress | None = None,
    ) -> None:  # fmt: skip
        if not pairs:
            raise UserError("no pair of image and mask in this split: give a root or split list with some")
        self.pairs = tuple(pairs)
        self.binarise = binarise
        self.reading = reading or Reading()
        facts = survey(self.pairs, look_at_pair, progress)
        photos = [pair.photo for pair in facts]
        turned, about_turns = decide_turn(facts, self.reading.mask_orientation)
        self.bits, about_bits = decide_bits(photos, self.reading.bits)
        self.scale = decide_masks(facts, self.reading)
        self._turns = tuple(photo.orientation if turned else UPRIGHT for photo in photos)
        self._facts = tuple(Facts(pair.photo.digest, pair.mask.share(self.scale), pair.taught) for pair in facts)
        self.notes = (*notes, *counted_notes(photos), *about_bits, *about_turns)

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """The pair's name, STEM or FOLDER/STEM."""
        return self.pairs[index].name

    def load(self, index: int) -> Loaded:
        """Image uint8 [H,W,3] and mask [H,W]; UserError if they differ in size or cannot be read by now."""
        pair = self.pairs[index]
        image = read_image(pair.image, self.bits)
        mask = read_mask(pair.mask, self.binarise, self.scale, self._turns[index])
        if image.shape[:2] != mask.shape:
            raise UserError(f"image '{pair.image}' and its mask differ in size by now: start again")
        return image, mask

    def facts(self) -> tuple[Facts, ...]:
        """Digest and crack share of every pair."""
        return self._facts

    def identity(self) -> list:
        """Name, image bytes and mask bytes (file sizes) of every pair, and how they are read if not as usual."""
        unusual = self.reading.identity()
        pairs = [[pair.name, pair.image.stat().st_size, pair.mask.stat().st_size] for pair in self.pairs]
        return [*pairs, unusual] if unusual else pairs


class Subset(Derived):
    """Some photographs of a source.

    Args:
        source: the photographs.
        indices: of those taken, in the new order.

    Raises:
        UserError: without indices.
    """

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        if not indices:
            raise UserError(f"an empty split of {len(source)} photographs; give more data or other fractions")
        super().__init__(source)
        self.indices = tuple(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return super().name(self.indices[index])

    def load(self, index: int) -> Loaded:
        """Image and mask as the whole source loads them."""
        return self.source.load(self.indices[index])

    def facts(self) -> tuple[Facts, ...] | None:
        """The facts of the photographs taken."""
        known = super().facts()
        return None if known is None else tuple(known[index] for index in self.indices)

    def identity(self) -> list:
        """The identity of the whole source and the indices taken."""
        return [super().identity(), list(self.indices)]


def split_random(source: Source, fractions: Sequence[float], seed: int) -> list[Subset]:
    """Split a source into disjoint subsets, each sorted by name.

    The order is that of a hash of (seed, name): independent of the machine, the library versions
    and the order of the source. Photographs of one scene are not kept together: use split lists
    for that.

    Args:
        source: the photographs.
        fractions: of the subsets, above 0, their sum at most 1.
        seed: of the hash.

    Raises:
        UserError: for other fractions and for a subset that would be empty.
    """
    if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise UserError(f"split fractions {list(fractions)}: each has to be above 0, and their sum at most 1")
    order = sorted(range(len(source)), key=lambda index: _hash(seed, source.name(index)))
    bounds = np.rint(np.cumsum([0.0, *fractions]) * len(source)).astype(int)
    return [Subset(source, sorted(order[start:stop], key=source.name)) for start, stop in itertools.pairwise(bounds)]


def hold_out(source: Source, share: float, seed: int, tell: Callable[[str], object] = print) -> tuple[Subset, Subset]:
    """Split a source into what remains and what is held out: photographs whose hash of (seed, name) is below ``share``.

    So each photograph has its side for good, whichever others come and go. A side that would be empty is given the
    photograph whose hash is nearest to it.

    Args:
        source: the photographs.
        share: about what share of them is held out.
        seed: of the hash.
        tell: called with a message where a side would have been empty.

    Returns:
        The remaining photographs and those held out.

    Raises:
        UserError: for fewer than two photographs.
    """
    if len(source) < 2:
        raise UserError(f"holdout {share} needs two photographs, there is {len(source)}; give more, or set it to 0")
    hashes = {index: int(_hash(seed, source.name(index))[:16], 16) / 2**64 for index in range(len(source))}
    order = sorted(hashes, key=lambda index: hashes[index])
    held = sum(value < share for value in hashes.values())
    if held in (0, len(source)):
        held = 1 if held == 0 else len(source) - 1
        tell(
            f"holdout {share} of {len(source)} photographs: by chance of their names "
            f"{'none is held out' if held == 1 else 'none is kept'}; the nearest, "
            f"{source.name(order[0 if held == 1 else -1])}, is taken"
        )
    remaining, held_out = (Subset(source, sorted(side, key=source.name)) for side in (order[held:], order[:held]))
    return remaining, held_out


def fingerprint(source: Source) -> str:
    """Return 64 hexadecimal digits (SHA-256) that stand for what a source holds, on any machine.

    Taken over the source's ``identity()`` (file names and sizes, generator parameters), or its
    names where it has none.
    """
    return hashlib.sha256(json.dumps(identity_of(source), sort_keys=True).encode()).hexdigest()


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
