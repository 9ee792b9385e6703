"""Models as ONNX files that the QGIS plugin Deepness loads as a Segmentor.

The plugin (github.com/PUTvision/qgis-plugin-deepness, 0.6.5: ``processing/models/model_base.py``, ``segmentor.py``,
``map_processor_segmentation.py``) wants one input [1,3,T,T] of fixed sides, RGB in [0,1], and outputs of the same
sides. An output of one channel is compared with the threshold; at 0 all would be crack. Metadata are JSON.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.files import write_bytes
from engine.build.checkpoint import find_checkpoint
from engine.export.run import MEAN_TOLERANCE, check_new, traced
from engine.export.runtimes import ONNXRUNTIME, require_runtime, runner
from models.base import Maps, WholeModel

if TYPE_CHECKING:
    import onnx

RESOLUTION = 0.1  # cm/px, a pavement from a drone at 4 to 5 m or a car: 1 mm
FINEST = 0.01  # cm/px, the plugin's field has two decimals
NO_DATA = 17  # px; black squares of this side are no photograph; thinner black is a crack in shadow


class SegmentedTile(nn.Module):
    """A tile of a map, lr [1,3,T,T] in [0,1] -> crack probability [1,1,T,T].

    Where a map has no data a plugin hands over black: it gets the colour of the rest of the tile, and probability 0.

    Args:
        model: in evaluation mode.
        restore: take the tile as a low-resolution one; a pixel gets the largest of its fine probabilities, as in
            ``engine.predict.photo.search``.
    """

    def __init__(self, model: WholeModel, restore: bool) -> None:
        super().__init__()
        self.model, self.restore = model, restore

    def forward(self, lr: Tensor) -> Tensor:
        """See above."""
        nothing = no_data(lr)
        known = 1 - nothing
        colour = (lr * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        return self._probability(torch.where(nothing > 0, colour, lr)) * known

    def _probability(self, lr: Tensor) -> Tensor:
        model = self.model
        maps, kernel = model.restore_maps(lr) if self.restore else (Maps(lr), None)
        logits = maps.logits
        if logits is None:
            logits = model.segment_maps(maps, kernel, model.statistics(maps.looked_at)).logits
        probability = logits.sigmoid()
        return F.max_pool2d(probability, model.scale) if self.restore else probability


def no_data(lr: Tensor) -> Tensor:
    """Where a map [1,3,T,T] has no data: 1.0 in black squares of ``NO_DATA`` pixels and more, else 0.0, [1,1,T,T].

    At the map's border what lies beyond counts as black: 9 pixels of a black square are enough there.
    """
    lit = (lr.amax(1, keepdim=True) > 0).to(lr.dtype)
    near_light = F.max_pool2d(lit, NO_DATA, 1, NO_DATA // 2)
    return F.max_pool2d(1 - near_light, NO_DATA, 1, NO_DATA // 2)


def export_deepness(
    out: Path | None,
    opt: str | None,
    weights: str | None,
    overwrite: bool,
    restore: bool = False,
    threshold: float = 0.5,
    tile: int = 256,
    overlap: int = 32,
    resolution: float = RESOLUTION,
) -> Path:
    """Write trained weights as a file for Deepness; print what it holds; return its path.

    Args:
        out: the file; None: beside the weights.
        opt: as for ``engine.build.checkpoint.find_checkpoint``.
        weights: likewise.
        overwrite: whether a file that exists is replaced.
        restore: restore each tile before segmenting it.
        threshold: crack from this probability on, in (0,1).
        tile: side of tiles to restore, pixels; without restoring they are larger by the model's scale, as in
            ``engine.predict``.
        overlap: of tiles in the same pixels.
        resolution: centimetres per pixel in which the plugin hands the map over.

    Raises:
        UserError: as ``engine.export.run.export``, and for values that the plugin's fields cannot hold.
    """
    require_runtime(ONNXRUNTIME)
    _check(threshold, tile, overlap, resolution)
    checkpoint = find_checkpoint(opt, weights)
    source = checkpoint.path
    beside = source.with_name(f"{source.name}.deepness.onnx")
    path = beside if out is None else out
    check_new(path, overwrite)
    model = checkpoint.model()
    side = tile if restore else tile * model.scale
    facts = plugin_facts(side, math.ceil(100 * overlap / tile), threshold, resolution)
    made_of = {"weights": source.name, "step": str(checkpoint.step), "restore": "always" if restore else "never"}
    whole = SegmentedTile(model, restore).eval()
    graph = to_deepness(whole, side, {**facts, **made_of})
    difference = _difference(whole, graph, side)
    if not difference <= MEAN_TOLERANCE:
        raise UserError(f"{source}: onnxruntime differs from torch by {difference:.1g} on average; nothing was written")
    write_bytes(path, graph.SerializeToString())
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB): tiles of {side}x{side} px, {resolution:g} cm/px, for Deepness")
    print(f"onnxruntime differs from torch by {difference:.1g} on average")
    print("in QGIS: Deepness, Model file path, then 'Load default parameters'")
    return path


def _check(threshold: float, tile: int, overlap: int, resolution: float) -> None:
    if not 0.01 <= threshold < 1 or abs(threshold * 100 - round(threshold * 100)) > 1e-6:
        raise UserError(f"--threshold {threshold:g}: Deepness knows two decimals; give 0.01 to 0.99")
    if tile < 16 or not 0 <= overlap < tile:
        raise UserError(f"--tile {tile} --overlap {overlap}: give a tile of 16 or more, and less overlap")
    if not FINEST <= resolution < math.inf or abs(resolution * 100 - round(resolution * 100)) > 1e-6:
        raise UserError(f"--resolution {resolution:g}: Deepness knows two decimals of cm/px; give {FINEST} or more")


def plugin_facts(side: int, overlap: int, threshold: float, resolution: float) -> dict[str, str]:
    """The metadata that the plugin reads, each value as JSON.

    Args:
        side: of tiles, pixels.
        overlap: of tiles, percent.
        threshold: crack from this probability on.
        resolution: centimetres per pixel.
    """
    facts = {
        "model_type": "Segmentor",
        "class_names": {"0": "crack"},  # of one channel; the plugin puts 'background' before it
        "resolution": resolution,
        "tile_size": side,  # as the plugin's code calls it; its documentation says tiles_size
        "tiles_size": side,
        "tiles_overlap": overlap,
        "standardization_mean": [0.0, 0.0, 0.0],  # the model normalises by itself
        "standardization_std": [1.0, 1.0, 1.0],
        "seg_thresh": threshold,
        "seg_small_segment": 0,  # side of a median filter, which would take thin cracks away
    }
    return {name: json.dumps(value) for name, value in facts.items()}


@torch.no_grad()
def to_deepness(tile: SegmentedTile, side: int, facts: dict[str, str]) -> onnx.ModelProto:
    """A graph lr [1,3,side,side] -> probability [1,1,side,side] with ``facts`` as its metadata.

    Raises UserError for a model with an operation that ONNX lacks.
    """
    import onnx

    content = traced(tile, (1, 3, side, side), ["probability"], {})
    onnx.helper.set_model_props(content, facts)
    return content


@torch.no_grad()
def _difference(tile: SegmentedTile, graph: onnx.ModelProto, side: int) -> float:
    """Mean difference of probabilities on noise with a corner without data."""
    lr = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    lr[..., : side // 2, : side // 2] = 0
    theirs = runner(graph, ONNXRUNTIME).run({"lr": lr.numpy()})[0]
    return float((tile(lr) - torch.from_numpy(theirs)).abs().mean())
