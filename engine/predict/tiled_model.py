"""Runs a model over a photograph of any size, tile by tile, without seams.

Restoring comes first, for all of the photograph; then its mean and deviation are taken once, and the
segmentation sees every tile normalised by them. Statistics of each tile by itself would differ from
tile to tile (a shadow here, a crack there) and show as steps in the probability. Local normalisation
has windows smaller than a tile, so there each tile is normalised by itself. Tiles to segment
start at multiples of the network's stride, as strided layers answer differently in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from contracts.errors import UserError
from engine.export.onnx_model import OnnxModel
from engine.predict.tiles import TileFunction, round_up, run_tiled, tile_starts
from engine.runtime.precision import FLOAT32, Precision
from engine.runtime.progress import Progress
from models.normalisation import EPSILON, InstanceNormalisation
from models.whole import Model

SHOWN_FROM = 8  # tiles; fewer are done before anybody looks at a bar


def normalisation_of(model: Model | OnnxModel, image: Tensor) -> Callable[[Tensor], Tensor]:
    """The model's normalisation with the statistics of all of ``image`` [1,3,H,W], to apply to its tiles."""
    if model.shares_input:
        return lambda tile: tile
    if not isinstance(model.normalise, InstanceNormalisation):
        return model.normalise
    variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
    factor = (variance + EPSILON).rsqrt()
    return lambda tile: (tile - mean.to(tile.device)) * factor.to(tile.device)


def aligned_length(length: int, tile: int, stride: int, multiple: int) -> int:
    """Length to pad a side to, so that evenly spread tiles start at multiples of ``multiple``.

    stride: largest step between tiles, itself such a multiple. Fewer than ``multiple`` pixels are
    added for each tile after the first; a side of a single tile stays as it is.
    """
    if length <= tile:
        return length
    steps = math.ceil((length - tile) / stride)
    return tile + steps * round_up(math.ceil((length - tile) / steps), multiple)


class TiledModel:
    """A model in evaluation mode that restores and segments photographs of any size.

    tile, overlap: side and least overlap of tiles in low-resolution pixels; the segmentation works on
    tiles of ``scale`` times that (rounded up to what its network needs), as the restored image has.
    Blended float32 results stay on the CPU, and one tile at a time is on ``device``. precision: of the networks.
    A photograph of a single tile gives what the model itself gives. Raises UserError unless
    0 <= overlap < tile and the tile is at least 16 pixels.
    """

    def __init__(
        self, model: Model | OnnxModel, device: torch.device, tile: int = 256, overlap: int = 32,
        precision: Precision = FLOAT32,
    ) -> None:
        if tile < 16 or not 0 <= overlap < tile:
            raise UserError(f"--tile {tile} --overlap {overlap}: give a tile of 16 or more, and less overlap")
        self.model, self.device, self.tile, self.overlap = model.eval().to(device), device, tile, overlap
        self.scale, self.precision = model.scale, precision

    @torch.inference_mode()
    def restore(self, photo: Tensor, name: str = "") -> tuple[Tensor, Tensor | None]:
        """Super-resolve ``photo`` [1,3,h,w] in [0,1]; ``name`` is shown with the progress.

        Returns the image [1,3,H,W], followed along the channels by what ``segment`` needs beside it, and the
        mean of the tiles' estimated kernels [1,1,k,k] (None without).
        """
        kernels: list[Tensor] = []

        def one(tile: Tensor) -> dict[str, Tensor]:
            with self.precision.autocast(self.device.type):
                found, kernel = self._restore_tile(tile.to(self.device))
            if kernel is not None:
                kernels.append(kernel)
            return {"image": torch.cat(found, 1)}

        image = self._run(one, photo, self.tile, self.overlap, self.scale, f"{name}: restoring")
        return image, torch.stack(kernels).mean(0) if kernels else None

    def _restore_tile(self, tile: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """The restored tile with maps of its size for ``segment``, and the estimated kernel.

        These are what a handover adds to the normalised image (3 channels) and to the logits (1), or the
        logits (1) of a network that does not look at the restored image.
        """
        if self.model.shares_input:
            output = self.model(tile)
            return [output.sr, output.logits], None
        restored, handover = self.model.restore(tile), self.model.handover
        if handover is None:
            return [restored.sr], restored.kernel
        handed = [handover.to_image(restored.features), handover.to_logits(restored.features)]
        return [restored.sr, *handed], restored.kernel

    @torch.inference_mode()
    def segment(self, image: Tensor, kernel: Tensor | None = None, name: str = "") -> Tensor:
        """Crack probability [1,1,H,W] of an image [1,3,H,W] in [0,1], or of what ``restore`` returned."""
        if self.model.shares_input and image.shape[1] > 3:
            return image[:, 3:].sigmoid()
        normalise, multiple = normalisation_of(self.model, image[:, :3]), self.model.stride

        def one(tile: Tensor) -> dict[str, Tensor]:
            tile = tile.to(self.device)
            normalised = normalise(tile[:, :3])
            with self.precision.autocast(self.device.type):
                logits = self._segment_tile(tile, normalised, kernel)
            return {"image": logits.float().sigmoid()}

        tile = round_up(self.tile * self.scale, multiple)
        stride = max(multiple, (tile - self.overlap * self.scale) // multiple * multiple)
        height, width = (aligned_length(side, tile, stride, multiple) for side in image.shape[-2:])
        return self._run(one, image, tile, tile - stride, 1, f"{name}: segmenting", (height, width))

    def _segment_tile(self, tile: Tensor, normalised: Tensor, kernel: Tensor | None) -> Tensor:
        """The logits of a tile, with what follows its image along the channels, as ``restore`` returned it."""
        if self.model.shares_input:
            return self.model.segment(normalised).logits
        if tile.shape[1] == 3:
            return self.model.segment_padded(normalised, kernel).logits
        return self.model.segment_padded(normalised + tile[:, 3:6], kernel).logits + tile[:, 6:]

    def _run(
        self, fn: TileFunction, image: Tensor, tile: int, overlap: int, scale: int, what: str,
        lengths: tuple[int, int] | None = None,
    ) -> Tensor:
        total = math.prod(len(tile_starts(side, tile, overlap)) for side in lengths or image.shape[-2:])
        with Progress(total, what, quiet=total < SHOWN_FROM) as bar:
            try:
                found = run_tiled(fn, image, tile, overlap, scale, progress=lambda *_: bar.update(), lengths=lengths)
            except torch.OutOfMemoryError:
                raise UserError(f"{what}: out of memory on {self.device}; give a smaller --tile") from None
        return found["image"]
