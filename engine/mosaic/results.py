"""From tiles that are done to results: rasters, cracks, layers; what does not fit into memory passes through files."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.mosaic.components import Cracks
from engine.mosaic.features import Feature, Place, columns_of, feature_of
from engine.mosaic.geotiff import Mosaic, Span
from engine.mosaic.grid import ABSENT, LEVELS, Grid
from engine.mosaic.layers import require_closed, write_layers
from engine.mosaic.measured import Grey, Limits, measured
from engine.mosaic.rasters import SHOWN_FROM, Window, blocks, create, largest, publish, write, write_levels
from engine.mosaic.work import Work, put_in_place
from engine.runtime.progress import Progress
from metrics.figure import Figure
from metrics.scale import Scale

KEPT_TILES = 12  # that are held while blocks are put together


@dataclass(frozen=True)
class Wanted:
    """What is made of the tiles.

    Attributes:
        mask: the file of the mask.
        package: of the GeoPackage.
        plain: of the GeoJSON, or None.
        probability: of the probabilities, or None.
        threshold: crack from this probability on.
        minimum_area: regions of fewer pixels, where it was segmented, are no cracks.
        limits: of what memory is to hold; None: the usual ones.
    """

    mask: Path
    package: Path
    plain: Path | None
    probability: Path | None
    threshold: float = 0.5
    minimum_area: int = 0
    limits: Limits | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [path for path in (self.mask, self.probability, self.package, self.plain) if path is not None]


@dataclass
class Told:
    """What there is to tell of a mosaic. cracks: found; lines: of them, written; length: in all, pixels of it."""

    cracks: int = 0
    lines: int = 0
    length: Figure = field(default_factory=lambda: Figure(0.0, 0.0))
    share: float = 0.0
    split: int = 0


def make(
    mosaic: Mosaic, grid: Grid, work: Work, wanted: Wanted, size: Scale | None, made_with: Mapping[str, Any]
) -> Told:
    """Write all results.

    Args:
        mosaic: open.
        grid: its tiles, all of them done.
        work: where they are.
        wanted: the results.
        size: of the mosaic's pixels, or None.
        made_with: written into rasters.

    Raises:
        UserError: where the disk refuses.
    """
    import rasterio

    whole = work.folder / "segmented.tif"
    together(grid, work, whole)
    told = Told()
    complete: list[tuple[Path, Path]] = []
    with rasterio.open(whole) as file:
        level = max(1, math.ceil(wanted.threshold * LEVELS - 1e-9))
        cracks = Cracks(file, level, wanted.minimum_area)
        told.cracks = len(cracks)
        seen = np.zeros(2, np.int64)

        def mask_of(window: Window) -> NDArray[np.uint8]:
            rows, columns = (_times(span, grid.scale) for span in window)
            crack = (cracks.window(rows, columns)[1] > 0).astype(np.uint8)
            crack[file.read(1, window=(rows, columns)) == ABSENT] = ABSENT
            values = largest(crack, grid.scale)
            seen[:] += [int((values == 1).sum()), int((values != ABSENT).sum())]
            return values

        def probability_of(window: Window) -> NDArray[np.uint8]:
            rows, columns = (_times(span, grid.scale) for span in window)
            return largest(file.read(1, window=(rows, columns)), grid.scale)

        rasters = [("mask", wanted.mask, mask_of, 1.0)]
        if wanted.probability is not None:
            rasters.insert(0, ("probability", wanted.probability, probability_of, 1 / LEVELS))
        for name, target, values_of, scaled in rasters:
            levels = write_levels(work.folder, name, (mosaic.height, mosaic.width), values_of)
            complete.append((publish(levels, mosaic, made_with, scaled), target))
        told.share = float(seen[0] / max(1, seen[1]))
        place = Place(mosaic.transform, grid.scale, size)
        grey = None if grid.scale > 1 else functools.partial(_grey, mosaic)  # the restored mosaic is not kept
        features = _features(cracks, place, wanted.limits, told, grey)
        package, plain = work.folder / "cracks.gpkg", work.folder / "cracks.geojson"
        layers = [(package, wanted.package)] + ([] if wanted.plain is None else [(plain, wanted.plain)])
        write_layers(features, columns_of(size), mosaic.crs, package, None if wanted.plain is None else plain)
    require_closed(wanted.package)
    put_in_place([*layers, *complete])  # the mask last: it says what all were made with
    return told


def _times(span: Span, factor: int) -> Span:
    return span[0] * factor, span[1] * factor


def together(grid: Grid, work: Work, target: Path) -> None:
    """Blend all tiles into one raster of probabilities, block by block."""
    load = functools.lru_cache(KEPT_TILES)(work.load)
    windows = list(blocks(grid.height, grid.width))
    quiet, what = len(windows) < SHOWN_FROM, "putting tiles together"
    with create(target, grid.height, grid.width) as file, Progress(len(windows), what, quiet=quiet) as bar:
        for rows, columns in windows:
            write(file, (rows, columns), grid.blend(load, rows, columns))
            bar.update()


def _grey(mosaic: Mosaic, rows: Span, columns: Span) -> NDArray:
    """The brightness uint8 [h,w] of a window."""
    return cv2.cvtColor(mosaic.read(rows, columns)[0], cv2.COLOR_RGB2GRAY)


def _features(cracks: Cracks, place: Place, limits: Limits | None, told: Told, grey: Grey | None) -> Iterator[Feature]:
    """The cracks as they are written, and what is told of all of them."""
    last = written = 0
    with Progress(len(cracks), "measuring cracks") as bar:
        for found in measured(cracks, limits, grey):
            if found.crack.length is not None:
                length = found.crack.length.times(1 / place.scale)
                both = math.hypot(told.length.uncertainty, length.uncertainty)
                told.length = Figure(told.length.value + length.value, both)
            told.split += bool(found.part) and found.number != last
            feature = feature_of(found, place)
            if feature is not None:
                told.lines += found.number != written
                written = found.number
                yield feature
            bar.update(int(found.number != last))
            last = found.number
