"""How large a mosaic's pixels are on the ground, from its transform and coordinate system."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from metrics.scale import Scale

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from rasterio.transform import Affine

SEMI_MAJOR, FLATTENING = 6378137.0, 1 / 298.257223563  # m, WGS 84 (NGA.STND.0036)
PROBE = 100  # px to each side of the middle between which distances on the ground are taken
TRUE = 0.01  # relative: map units that are nearer to the ground are taken as they are (UTM: 0.001 at most)
SQUARE = 0.02  # relative: a width is one figure, so that pixels have to be as high as wide
REPAIR = "give --mm-per-pixel, or reproject it to square pixels of a projected system in metres (gdalwarp -t_srs -tr)"


def scale_of(
    transform: Affine, crs: CRS | None, size: tuple[int, int], mm_per_pixel: float | None, name: str
) -> tuple[Scale | None, str]:
    """The scale of a mosaic.

    In a projected system it is the pixel's size in map units, unless these are far from the ground, as in Web Mercator;
    then, and in degrees, distances on the WGS 84 ellipsoid around the mosaic's middle count.

    Args:
        transform: from columns and rows to coordinates.
        crs: of the coordinates; None: the mosaic has no place on a map.
        size: height and width, pixels.
        mm_per_pixel: what the user says, or None.
        name: of the mosaic, for errors.

    Returns:
        The scale, None where nothing tells it; and what to say of it.

    Raises:
        UserError: for pixels that are not square on the ground.
    """
    if mm_per_pixel is not None:
        return Scale(mm_per_pixel), f"{mm_per_pixel:g} mm per pixel, as given"
    if crs is None:
        return None, "no scale: it has no place on a map; give --mm-per-pixel for millimetres"
    along, down = _ground(transform, crs, size)
    origin = "measured on the ellipsoid at its middle"
    if not crs.is_geographic:
        factor = _metres_per_unit(crs)
        units = math.hypot(transform.a, transform.d) * factor, math.hypot(transform.b, transform.e) * factor
        if along is None or down is None or max(abs(along / units[0] - 1), abs(down / units[1] - 1)) <= TRUE:
            along, down, origin = *units, "by its coordinate system"
    if along is None or down is None:
        return None, "no scale: its coordinate system has no place on the Earth; give --mm-per-pixel for millimetres"
    difference = abs(along / down - 1)
    if difference > SQUARE or _skewed(transform):
        told = f"pixels are {1000 * along:.3g} x {1000 * down:.3g} mm on the ground, not square"
        raise UserError(f"{name}: {told}; {REPAIR}")
    pixel = 1000 * math.sqrt(along * down)
    return Scale(pixel, difference / 2, origin), f"{pixel:.4g} mm per pixel, {origin}"


def placed(
    transform: Affine, columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y [N] of columns and rows [N], counted from the outer corner of the first pixel."""
    t = transform
    return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f


def on_earth(transform: Affine, crs: CRS) -> bool:
    """Whether the coordinates of a mosaic's first corner have a longitude and a latitude."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError
    from rasterio.warp import transform as warped

    try:
        (longitude,), (latitude,) = warped(crs, "EPSG:4326", [transform.c], [transform.f])
    except (RasterioError, CPLE_BaseError):
        return False
    return abs(longitude) <= 360 and abs(latitude) <= 90


def _skewed(transform: Affine) -> bool:
    """Whether rows and columns are not at right angles."""
    product = transform.a * transform.b + transform.d * transform.e
    sides = math.hypot(transform.a, transform.d) * math.hypot(transform.b, transform.e)
    return abs(product) > SQUARE * sides


def _metres_per_unit(crs: CRS) -> float:
    from rasterio.errors import CRSError

    try:
        return float(crs.linear_units_factor[1])
    except CRSError:
        return 1.0


def _ground(transform: Affine, crs: CRS, size: tuple[int, int]) -> tuple[float | None, float | None]:
    """Metres on the ground of a pixel's side along a row and down a column; None where it has no place on the Earth."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError
    from rasterio.warp import transform as warped

    row, column = size[0] / 2, size[1] / 2
    ends = [(column - PROBE, row), (column + PROBE, row), (column, row - PROBE), (column, row + PROBE)]
    columns, rows = np.array(ends).T
    x, y = placed(transform, columns, rows)
    try:
        longitude, latitude = (np.radians(values) for values in warped(crs, "EPSG:4326", x, y))
    except (RasterioError, CPLE_BaseError):
        return None, None
    eccentricity = FLATTENING * (2 - FLATTENING)
    middle = float(latitude.mean())
    root = math.sqrt(1 - eccentricity * math.sin(middle) ** 2)
    east = SEMI_MAJOR / root * math.cos(middle)  # m for each radian
    north = SEMI_MAJOR * (1 - eccentricity) / root**3
    sides = [
        math.hypot(east * (longitude[b] - longitude[a]), north * (latitude[b] - latitude[a])) / (2 * PROBE)
        for a, b in ((0, 1), (2, 3))
    ]
    return (sides[0], sides[1]) if all(0 < side < math.inf for side in sides) else (None, None)
