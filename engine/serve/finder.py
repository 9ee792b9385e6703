"""Looks for cracks in what the page received, one photograph after the other."""

from __future__ import annotations

import time

from contracts.errors import UserError
from engine.predict.photo import search
from engine.predict.restore_rule import how, least_seen, restores
from engine.predict.source import Source
from engine.predict.tiled_model import TiledModel
from engine.serve.found import Found
from engine.serve.received import MOST_RESTORED, Received


class Finder:
    """The weights, ready.

    Args:
        source: the weights.
        tile: side of tiles, as for ``TiledModel``.
        overlap: of tiles.
        minimum_area: regions of fewer segmented pixels are no cracks; None: as the weights' options say.
    """

    def __init__(self, source: Source, tile: int = 256, overlap: int = 32, minimum_area: int | None = None) -> None:
        self.source = source
        self.model = TiledModel(source.load(), source.device, tile, overlap, source.precision, quiet=True)
        self.minimum_area = source.minimum_area if minimum_area is None else minimum_area

    def find(self, received: Received, restore: str = "auto", threshold: float = 0.5) -> Found:
        """Look for cracks.

        Args:
            received: the photograph.
            restore: "auto", "always" or "never".
            threshold: by which ``auto`` decides.

        Raises:
            UserError: for a photograph that is too small to look at, or too large to restore here.
        """
        began, (height, width) = time.perf_counter(), received.size
        decided = restores(restore, height, width, received.name)
        if decided and received.megapixels > MOST_RESTORED:
            raise UserError(
                f"{received.name} has {received.megapixels:.0f} megapixels; the page restores up to {MOST_RESTORED}. "
                "Choose 'when cracks are thin' or 'never', or use predict.py."
            )
        least = least_seen(self.minimum_area)
        photo = received.photo
        prediction = search(
            self.model,
            photo.pixels,
            decided,
            received.name,
            transparent=photo.transparent,
            threshold=threshold,
            least=least,
        )
        description = how(restore, prediction.scale, prediction.width, looked=decided is None)
        return Found(received, prediction, description, self.minimum_area, time.perf_counter() - began)
