"""Photographs of any size brought to one size, as systems that take whole images need them."""

from __future__ import annotations

import cv2
import numpy as np

from contracts.errors import UserError
from data.derived import Derived
from data.protocol import Loaded, Source


class Resized(Derived):
    """The photographs of a source, resized.

    A square distorts: a crack across the longer side gets thinner than one along it. Images are averaged over
    areas where they shrink and interpolated linearly where they grow; masks take the nearest pixel, so they stay
    what they were, but thin cracks break up where a photograph shrinks a lot.

    Args:
        source: the photographs.
        side: of the square, pixels, at least 32.
        keep_aspect: keep the proportions; ``side`` is the longer side then.

    Raises:
        UserError: for a side below 32.
    """

    def __init__(self, source: Source, side: int, keep_aspect: bool = False) -> None:
        if side < 32:
            raise UserError(f"resize {side}: give a side of at least 32 pixels")
        super().__init__(source)
        self.side, self.keep_aspect = side, keep_aspect

    def load(self, index: int) -> Loaded:
        """Image and mask of the new size."""
        image, mask = self.source.load(index)
        size = self.new_size(*mask.shape)
        if size == mask.shape:
            return image, mask
        shrinks = size[0] * size[1] < mask.size
        resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        mask = cv2.resize(np.ascontiguousarray(mask), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return resized.astype(np.uint8, copy=False), mask

    def new_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that a photograph of this size gets."""
        if not self.keep_aspect:
            return self.side, self.side
        factor = self.side / max(height, width)
        return max(1, round(height * factor)), max(1, round(width * factor))

    def identity(self) -> list:
        """The identity of the source, the side and whether proportions are kept."""
        return [super().identity(), self.side, self.keep_aspect]
