"""Mosaics drawn by formula."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.darkness import BRIGHT, DARK

FINE = 8  # samples of a pixel's side


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
