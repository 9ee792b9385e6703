"""Photographs that the page received: what it takes, and what it says of what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError
from contracts.names import one_line, readable
from data.images import IMAGE_SUFFIXES, Photograph, image_size, read_photograph
from data.synthetic import SyntheticSource

MOST_BYTES = 40 * 2**20
MOST_MEGAPIXELS = 50
MOST_RESTORED = 6  # megapixels; the restored image and its probability take 0.35 GB for each of them
DRAWN_SIDE, DRAWN_SEED = 448, 5
DRAWN = "a drawn photograph"


@dataclass(frozen=True)
class Received:
    """A photograph and what it is called."""

    name: str
    photo: Photograph

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.photo.pixels.shape[:2]
        return height, width

    @property
    def megapixels(self) -> float:
        """Its size."""
        return self.size[0] * self.size[1] / 1e6


def receive(path: Path) -> Received:
    """Read a file that was sent.

    Args:
        path: of the file, whose name is that of the photograph.

    Raises:
        UserError: in words for the page, without the folder of the file, for one that is no image or too large.
    """
    name = one_line(readable(path.name))
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        kinds = ", ".join(suffix[1:].upper() for suffix in IMAGE_SUFFIXES if len(suffix) <= 5)
        raise UserError(f"{name} is no photograph. The page takes images: {kinds}.")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UserError(
            f"{name} has {size / 2**20:.0f} MB; the page takes up to {MOST_BYTES // 2**20}. "
            "Save it smaller, or use predict.py."
        )
    try:
        height, width = image_size(path)
        if height * width > MOST_MEGAPIXELS * 1e6:
            raise UserError(
                f"{name} has {height * width / 1e6:.0f} megapixels; the page takes up to {MOST_MEGAPIXELS}. "
                "Cut it into parts, or use predict.py."
            )
        return Received(name, read_photograph(path))
    except UserError as error:
        raise UserError(str(error).replace(str(path), name)) from None


def drawn() -> Received:
    """A photograph to try the page with, drawn by ``data.synthetic``, with cracks."""
    source = SyntheticSource(12, size=DRAWN_SIDE, seed=DRAWN_SEED)
    pairs = (source.load(index) for index in range(len(source)))
    pixels = max(pairs, key=lambda pair: int(pair[1].sum()))[0]
    return Received(DRAWN, Photograph(pixels, None, ()))
