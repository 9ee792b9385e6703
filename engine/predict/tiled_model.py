"""Runs a model over a photograph of any size, tile by tile, without seams.

Restoring comes first, for all of the photograph; then its mean and deviation are taken once, and the
segmentation sees every tile normalised by them. Statistics of each tile by itself would differ from
tile to tile (a shadow here, a crack there) and show as steps in the probability. Local normalisation
has windows smaller than a tile, so there each tile is normalised by itself. Tiles to segment
start at multiples of the network's stride, as strided layers answer differently in between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from contracts.errors import UserError
from engine.predict.tiles import TileFunction, round_up, run_tiled, tile_starts
from engine.runtime.precision import FLOAT32, Precision
from engine.runtime.progress import Progress
from models.base import Maps, WholeModel

SHOWN_FROM = 8  # tiles; fewer are done before anybody looks at a bar


def aligned_length(length: int, tile: int, stride: int, multiple: int) -> int:
    """Length to pad a side to, so that evenly spread tiles start at multiples of a number.

    Fewer than that number of pixels are added for each tile after the first; a side of a single tile stays as it is.

    Args:
        length: of the side, pixels.
        tile: side of a tile, pixels.
        stride: largest step between tiles, a multiple of the number.
        multiple: the number.
    """
    if length <= tile:
        return length
    steps = math.ceil((length - tile) / stride)
    return tile + steps * round_up(math.ceil((length - tile) / steps), multiple)


def as_floats(image: Tensor) -> Tensor:
    """An image in [0,1]: itself, or what 0..255 in uint8 mean."""
    return image.float().div_(255) if image.dtype == torch.uint8 else image


class TiledModel:
    """A model that restores and segments photographs of any size.

    Blended float32 results stay on the CPU, and one tile at a time is on the device. A photograph of a single tile
    gives what the model itself gives.

    Args:
        model: put into evaluation mode and on the device.
        device: that it runs on.
        tile: side of tiles in low-resolution pixels, 16 or more; the segmentation works on tiles of ``scale`` times
            that (rounded up to what its network needs), as the restored image has.
        overlap: least overlap of tiles in the same pixels, 0 <= overlap < tile.
        precision: of the networks.
        quiet: without progress.

    Raises:
        UserError: for another tile or overlap.
    """

    def __init__(
        self,
        model: WholeModel,
        device: torch.device,
        tile: int = 256,
        overlap: int = 32,
        precision: Precision = FLOAT32,
        quiet: bool = False,
    ) -> None:
        if tile < 16 or not 0 <= overlap < tile:
            raise UserError(f"--tile {tile} --overlap {overlap}: give a tile of 16 or more, and less overlap")
        self.model, self.device, self.tile, self.overlap = model.eval().to(device), device, tile, overlap
        self.scale, self.precision, self.quiet = model.scale, precision, quiet

    @torch.inference_mode()
    def restore(self, photo: Tensor, name: str = "") -> tuple[Maps, Tensor | None]:
        """Super-resolve a photograph.

        Args:
            photo: [1,3,h,w] in [0,1], or uint8 in 0..255: then no more than a tile of it is held as floats.
            name: shown with the progress.

        Returns:
            The restored image with what ``segment`` needs beside it, and the mean of the tiles' estimated kernels
            [1,1,k,k] (None without).
        """
        kernels: list[Tensor] = []

        def restored(tile: Tensor) -> dict[str, Tensor]:
            with self.precision.autocast(self.device.type):
                maps, kernel = self.model.restore_maps(as_floats(tile).to(self.device))
            if kernel is not None:
                kernels.append(kernel)
            return maps.tensors()

        maps = self._run(restored, photo, self.tile, self.overlap, self.scale, f"{name}: restoring")
        return Maps(**maps), torch.stack(kernels).mean(0) if kernels else None

    @torch.inference_mode()
    def segment(self, image: Tensor | Maps, kernel: Tensor | None = None, name: str = "") -> Tensor:
        """Crack probability [1,1,H,W] of an image.

        Args:
            image: [1,3,H,W] in [0,1] (or uint8), or what ``restore`` returned.
            kernel: [1,1,k,k], as ``restore`` returned it.
            name: shown with the progress.
        """
        maps = Maps(image) if isinstance(image, Tensor) else image
        if maps.logits is not None:
            return maps.logits.sigmoid()
        looked_at, multiple = maps.looked_at, self.model.stride
        needed = self.model.statistics(as_floats(looked_at[..., :2, :2])) is not None  # else no copy of all of it
        statistics = self.model.statistics(as_floats(looked_at)) if needed else None

        def segmented(tile: dict[str, Tensor]) -> dict[str, Tensor]:
            on_device = Maps(**{name: as_floats(part).to(self.device) for name, part in tile.items()})
            with self.precision.autocast(self.device.type):
                logits = self.model.segment_maps(on_device, kernel, statistics).logits
            return {"probability": logits.float().sigmoid()}

        tile = round_up(self.tile * self.scale, multiple)
        stride = max(multiple, (tile - self.overlap * self.scale) // multiple * multiple)
        lengths = tuple(aligned_length(side, tile, stride, multiple) for side in maps.image.shape[-2:])
        what = f"{name}: segmenting"
        return self._run(segmented, maps.tensors(), tile, tile - stride, 1, what, lengths)["probability"]

    def _run(
        self,
        fn: TileFunction,
        image: Tensor | Mapping[str, Tensor],
        tile: int,
        overlap: int,
        scale: int,
        what: str,
        lengths: tuple[int, ...] | None = None,
    ) -> dict[str, Tensor]:
        sides = image.shape[-2:] if isinstance(image, Tensor) else lengths or ()
        total = math.prod(len(tile_starts(side, tile, overlap)) for side in sides)
        with Progress(total, what, quiet=self.quiet or total < SHOWN_FROM) as bar:
            try:
                return run_tiled(fn, image, tile, overlap, scale, progress=lambda *_: bar.update(), lengths=lengths)
            except torch.OutOfMemoryError:
                raise UserError(f"{what}: out of memory on {self.device}; give a smaller --tile") from None
