"""The source of drawn photographs: a pure function of (seed, index)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from contracts.errors import UserError
from data.facts import Facts
from data.synthetic.cracks import cut
from data.synthetic.light import photograph
from data.synthetic.lookalikes import add_lookalikes
from data.synthetic.textures import TEXTURES, stain

CRACK_FREE = 0.15  # share of images without a crack
SMALLEST = 32  # px


@dataclass(frozen=True)
class SyntheticSource:
    """``count`` drawn crack photographs with exact masks: numbers ``first`` and on of series ``seed``.

    The same (seed, number, size) gives the same image whatever ``count``, the order of calls or the
    process. Series of different seeds, or ranges that do not overlap, share no image.

    Attributes:
        count: number of photographs, at least 1.
        size: side in px, at least 32.
        seed: of the series, not negative.
        first: the first number, not negative.
        crack_free: share of images without a crack, in [0, 1].

    Raises:
        UserError: for values out of range.
    """

    count: int
    size: int = 448
    seed: int = 0
    first: int = 0
    crack_free: float = CRACK_FREE

    def __post_init__(self) -> None:
        if not 0 <= self.crack_free <= 1:
            raise UserError(f"synthetic images: crack_free is {self.crack_free}; give a share from 0 to 1")
        for name, least in (("count", 1), ("size", SMALLEST), ("seed", 0), ("first", 0)):
            value = getattr(self, name)
            if value < least:
                raise UserError(f"synthetic images: {name} is {value}; give at least {least}")

    def __len__(self) -> int:
        return self.count

    def _number(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(f"index {index} of {self.count} synthetic images")
        return self.first + index

    def name(self, index: int) -> str:
        """Name of image ``index``, unique within all series."""
        return f"synthetic_{self.seed}_{self._number(index):05d}"

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [size,size,3] RGB and mask uint8 [size,size] in {0,1}."""
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, self._number(index))))
        crack_free = rng.random() < self.crack_free
        make_surface = list(TEXTURES)[rng.choice(len(TEXTURES), p=list(TEXTURES.values()))]
        surface = make_surface(rng, self.size)
        stain(rng, surface)
        add_lookalikes(rng, surface, crack_free)
        mask = np.zeros((self.size, self.size), np.uint8) if crack_free else cut(rng, surface)
        return photograph(rng, surface), mask

    def facts(self) -> tuple[Facts, ...]:
        """A digest of what each image is drawn from; its crack is not known before it is drawn."""
        kind = f"synthetic {self.seed} {self.size} {self.crack_free}"
        numbers = range(self.first, self.first + self.count)
        return tuple(
            Facts(hashlib.blake2b(f"{kind} {number}".encode(), digest_size=8).hexdigest()) for number in numbers
        )

    def identity(self) -> list:
        """All that the images depend on."""
        return ["synthetic", self.seed, self.first, self.count, self.size, self.crack_free]
