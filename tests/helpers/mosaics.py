"""Mosaics drawn by formula, and models that answer exactly: crack where it is dark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.records import Segmented
from engine.predict.source import Source
from engine.runtime.precision import FLOAT32
from models.base import Maps, Statistics, WholeModel

BRIGHT, DARK = 200, 40
FINE = 8  # samples of a pixel's side
STEEP = 12.0  # of the stand-in: probabilities follow how much of a pixel is covered


def covered(size: tuple[int, int], line: Sequence[tuple[float, float]], width: float) -> np.ndarray:
    """How much of each pixel [H,W] a polyline of a width covers; corners (x, y) count from the outer corner."""
    cover = np.zeros(size)
    (height, wide), reach = size, width / 2 + 2
    for (x0, y0), (x1, y1) in itertools.pairwise(line):
        top, bottom = max(0, int(min(y0, y1) - reach)), min(height, math.ceil(max(y0, y1) + reach))
        left, right = max(0, int(min(x0, x1) - reach)), min(wide, math.ceil(max(x0, x1) + reach))
        for row in range(top, bottom, 64):
            stop = min(row + 64, bottom)
            y = (np.arange((stop - row) * FINE) + 0.5) / FINE + row
            x = (np.arange((right - left) * FINE) + 0.5) / FINE + left
            length = math.hypot(x1 - x0, y1 - y0)
            along = ((x - x0)[None] * (x1 - x0) + (y - y0)[:, None] * (y1 - y0)) / length
            across = ((x - x0)[None] * (y1 - y0) - (y - y0)[:, None] * (x1 - x0)) / length
            inside = (along >= 0) & (along <= length) & (np.abs(across) <= width / 2)
            part = inside.reshape(stop - row, FINE, right - left, FINE).mean((1, 3))
            cover[row:stop, left:right] = np.maximum(cover[row:stop, left:right], part)
    return cover


def picture(size: tuple[int, int], lines: Sequence[tuple[Sequence[tuple[float, float]], float]]) -> np.ndarray:
    """A grey surface uint8 [H,W,3] with dark lines, each given by its corners (x, y) and its width in pixels."""
    cover = np.zeros(size)
    for line, width in lines:
        cover = np.maximum(cover, covered(size, line, width))
    grey = np.rint(BRIGHT + (DARK - BRIGHT) * cover).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def write_mosaic(path: Path, pixels: np.ndarray, absent: np.ndarray | None = None, **profile: Any) -> Path:
    """Write bands [H,W,C] as a tiled GeoTIFF, with an opacity band where something is absent [H,W]."""
    import rasterio
    from rasterio.transform import from_origin

    bands = pixels.transpose(2, 0, 1)
    usual = {"crs": "EPSG:32633", "transform": from_origin(500000, 5000000, 0.005, 0.005), "compress": "deflate"}
    layout = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256, "dtype": bands.dtype.name}
    shape = {"count": len(bands) + (absent is not None), "height": pixels.shape[0], "width": pixels.shape[1]}
    interpretation = {"photometric": "rgb"} if len(bands) == 3 else {}
    if absent is not None:
        interpretation["alpha"] = "yes"
    with rasterio.open(path, "w", **(layout | shape | interpretation | usual | profile)) as file:
        file.write(bands, list(range(1, len(bands) + 1)))
        if absent is not None:
            file.write(np.where(absent, 0, 255).astype(np.uint8), len(bands) + 1)
    return path


class Darkness(WholeModel):
    """Crack where it is dark, in proportion to how much of a pixel is; looks at one pixel, and enlarges by bilinear.

    Args:
        relative: look at brightness relative to the mean and deviation of the whole image.
    """

    scale, stride = 4, 8

    def __init__(self, relative: bool = False) -> None:
        super().__init__()
        self.relative = relative

    def restore_maps(self, lr: Tensor) -> tuple[Maps, Tensor | None]:
        return Maps(F.interpolate(lr, scale_factor=4, mode="bilinear")), None

    def statistics(self, image: Tensor) -> Statistics | None:
        if not self.relative:
            return None
        variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
        return mean, (variance + 1e-5).rsqrt()

    def segment_maps(self, maps: Maps, kernel: Tensor | None = None, statistics: Statistics | None = None) -> Segmented:
        if self.relative:
            mean, factor = statistics if statistics is not None else self.statistics(maps.image)  # type: ignore[misc]
            return Segmented(-1.5 - ((maps.image - mean) * factor).mean(1, keepdim=True))
        cover = (BRIGHT / 255 - maps.image.mean(1, keepdim=True)) * 255 / (BRIGHT - DARK)
        return Segmented((cover.clamp(0.001, 0.999)).logit())


def source_of(model: WholeModel, minimum_area: int = 0) -> Source:
    """A model as where it comes from."""
    cpu = torch.device("cpu")
    return Source(model.scale, minimum_area, cpu, FLOAT32, type(model).__name__, lambda: model, type(model).__name__)
