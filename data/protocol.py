"""What a source of photographs is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Loaded = tuple[NDArray[np.uint8], NDArray]


class Source(Protocol):
    """Numbered photographs with masks; ``load`` gives the same arrays at every call.

    A source may also have ``identity()``: what makes it up, as values that JSON can hold; and ``facts()``:
    what is known of each photograph without loading it (`data.facts`).
    """

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """The name of one photograph, unique in the source."""
        ...

    def load(self, index: int) -> Loaded:
        """Image uint8 [H,W,3] RGB and mask [H,W]: uint8 {0, 1}, or float32 0..1 if not binarised."""
        ...
