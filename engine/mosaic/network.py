"""The network on single tiles of a mosaic: probabilities as bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contracts.errors import UserError
from engine.mosaic.geotiff import Mosaic
from engine.mosaic.grid import ABSENT, LEVELS, Grid, Tile
from engine.predict.source import Source
from engine.runtime.precision import FLOAT32, Precision
from models.base import Maps, Statistics, WholeModel

MOST_SAMPLED = 4_000_000  # pixels that statistics of a mosaic are of; all of them where there are fewer
READ = 1024  # side of the windows in which they are read, px
PROBED = 8  # side of an image that tells whether a model wants statistics at all


class Network:
    """A model that looks at one tile at a time.

    Args:
        source: of the model.
        restore: whether a tile is restored before it is segmented.
    """

    def __init__(self, source: Source, restore: bool) -> None:
        self.model: WholeModel = source.load().eval().to(source.device)
        self.device, self.precision, self.restore = source.device, source.precision, restore
        self.statistics: Statistics | None = None

    @torch.inference_mode()
    def look_over(self, mosaic: Mosaic) -> None:
        """Take the statistics of the whole mosaic that tiles are normalised by, if the model wants any.

        They are of pixels evenly spread over all of it, without those that show nothing: as of a photograph, one
        set for all tiles, so that no seam can come from them. Restored tiles are normalised by them, too.
        """
        if self.model.statistics(torch.zeros(1, 3, PROBED, PROBED)) is None:
            return
        pixels = np.concatenate(list(_sampled(mosaic)))  # [N,3]
        if len(pixels):
            self.statistics = self.model.statistics(torch.from_numpy(pixels.T.copy())[None, :, None].float().div_(255))

    @torch.inference_mode()
    def probabilities(self, mosaic: Mosaic, grid: Grid, tile: Tile) -> NDArray[np.uint8]:
        """Those of a tile.

        Args:
            mosaic: open.
            grid: its tiles.
            tile: one of them.

        Returns:
            uint8 [h*scale,w*scale]: 0 to ``LEVELS`` for 0 to 1, ``ABSENT`` where the mosaic shows nothing.

        Raises:
            UserError: where a tile does not fit into memory, or the answer in float32 is not finite.
        """
        pixels, absent = grid.read(mosaic, tile)
        if grid.scale > 1:
            absent = absent.repeat(grid.scale, axis=0).repeat(grid.scale, axis=1)
        if absent.all():
            return np.full(absent.shape, ABSENT, np.uint8)
        photo = torch.tensor(pixels).permute(2, 0, 1)[None].float().div_(255).to(self.device)
        try:
            answer = self._answer(photo, self.precision)
            if not bool(torch.isfinite(answer).all()) and self.precision.dtype != torch.float32:
                answer = self._answer(photo, FLOAT32)
        except torch.OutOfMemoryError:
            raise UserError(f"{mosaic.path}: out of memory on {self.device}; give a smaller --tile") from None
        if not bool(torch.isfinite(answer).all()):
            raise UserError(f"{mosaic.path}: the network's answer in float32 is not finite; give other weights")
        levels = answer[0, 0].mul(LEVELS).round_().byte().cpu().numpy()
        return np.where(absent, np.uint8(ABSENT), levels)

    def _answer(self, photo: Tensor, precision: Precision) -> Tensor:
        """Probabilities [1,1,H,W] of a tile [1,3,h,w]."""
        with precision.autocast(self.device.type):
            maps, kernel = self.model.restore_maps(photo) if self.restore else (Maps(photo), None)
            if maps.logits is None:
                maps = Maps(**{name: part.float() for name, part in maps.tensors().items()})
                logits = self.model.segment_maps(maps, kernel, self.statistics).logits
            else:
                logits = maps.logits
        return logits.float().sigmoid()


def _sampled(mosaic: Mosaic) -> Iterator[NDArray[np.uint8]]:
    """Pixels [N,3] of windows of a mosaic, every step-th of a row and column."""
    step = max(1, int(np.ceil(np.sqrt(mosaic.megapixels * 1e6 / MOST_SAMPLED))))
    yield np.empty((0, 3), np.uint8)
    for top in range(0, mosaic.height, READ):
        for left in range(0, mosaic.width, READ):
            bottom, right = min(top + READ, mosaic.height), min(left + READ, mosaic.width)
            pixels, absent = mosaic.read((top, bottom), (left, right))
            here = np.ix_(np.arange(-top % step, bottom - top, step), np.arange(-left % step, right - left, step))
            yield pixels[here][~absent[here]]
