"""What is told of each crack of a mosaic: its centrelines in coordinates of the map, and its figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.mosaic.ground import placed
from engine.mosaic.measured import Measured
from metrics.crack_rows import rows_of
from metrics.figure import Figure
from metrics.geometry import Crack
from metrics.scale import Scale

if TYPE_CHECKING:
    from rasterio.transform import Affine

SIMPLER = 0.1  # px: how far vertices that are left out may be from the line
LEFT_OUT = (
    *("image", "crack", "area_px", "area_mm2", "orientation", "widest_row", "widest_column", "reason"),
    *("top", "left", "bottom", "right"),
)
Lines = list[NDArray[np.float64]]


@dataclass(frozen=True)
class Feature:
    """lines: x and y [N,2] of each; values: by the names of their columns, None where there is none."""

    lines: Lines
    values: dict[str, object]


@dataclass(frozen=True)
class Place:
    """Where pixels are.

    Attributes:
        transform: from columns and rows of the mosaic, counted from its corner, to coordinates.
        scale: how many pixels of the raster that was measured make one of the mosaic, by side.
        size: of a pixel of the mosaic, or None.
    """

    transform: Affine
    scale: int
    size: Scale | None

    def coordinates(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """x and y [N,2] of rows and columns [N,2] of the raster, in which centres of pixels are whole numbers.

        Without a transform they are columns and, negative, rows of the mosaic, as programs for maps show it.
        """
        columns, rows = ((points[:, axis] + 0.5) / self.scale for axis in (1, 0))
        if self.transform.is_identity:
            return np.stack([columns, -rows], 1)
        return np.stack(placed(self.transform, columns, rows), 1)

    def direction(self, degrees: float) -> float:
        """The direction on the map, degrees in [0, 180) counter-clockwise from the right, of one in the raster."""
        if self.transform.is_identity:
            return degrees
        along, down = math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))
        x = self.transform.a * along + self.transform.b * down
        y = self.transform.d * along + self.transform.e * down
        return math.degrees(math.atan2(y, x)) % 180


def in_mosaic(crack: Crack, scale: int) -> Crack:
    """The figures of a crack in pixels of the mosaic, of a raster that is ``scale`` times as large by side."""

    def smaller(figure: Figure | None) -> Figure | None:
        return None if figure is None else figure.times(1 / scale)

    return replace(
        crack,
        length=smaller(crack.length),
        mean_width=smaller(crack.mean_width),
        p95_width=smaller(crack.p95_width),
        max_width=smaller(crack.max_width),
    )


def feature_of(found: Measured, place: Place) -> Feature | None:
    """A crack as it is written; None for one without a centreline."""
    import shapely

    lines = [line for line in found.crack.lines if len(line) > 1]
    if not lines:
        return None
    crack, area = in_mosaic(found.crack, place.scale), found.crack.area / place.scale**2
    row = next(rows_of("", [crack], place.size))
    values: dict[str, object] = {"id": found.number, "part": found.part}
    values |= {name: value for name, value in row.items() if name not in LEFT_OUT}
    values["area_px"] = round(area, 3)
    if place.size is not None:
        values["area_mm2"] = round(area * place.size.mm_per_pixel**2, 3)
    values["orientation"] = None if crack.orientation is None else round(place.direction(crack.orientation), 3)
    values["widest_x"], values["widest_y"] = None, None
    if crack.widest is not None:
        values["widest_x"], values["widest_y"] = place.coordinates(np.array([crack.widest]))[0].tolist()
    tolerance = SIMPLER * place.scale
    simple = [shapely.get_coordinates(shapely.simplify(shapely.linestrings(line), tolerance)) for line in lines]
    return Feature([place.coordinates(line) for line in simple], values)


def columns_of(size: Scale | None) -> list[str]:
    """The names of the values of features, in their order; millimetres with a scale alone."""
    row = next(rows_of("", [Crack(0, (0, 0, 0, 0))], size))
    areas = ["area_px"] if size is None else ["area_px", "area_mm2"]
    figures = [name for name in row if name not in LEFT_OUT]
    return ["id", "part", *figures, *areas, "orientation", "widest_x", "widest_y"]
