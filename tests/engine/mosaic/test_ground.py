"""The size of a pixel on the ground, in metres, feet, degrees, and where the map stretches it."""

from __future__ import annotations

import math

import pytest
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from engine.mosaic.ground import scale_of
from tests.helpers.errors import assert_holds, error_of

SIZE = (2000, 3000)
FOOT = 1200 / 3937  # US survey foot, m


def mm(transform: Affine, crs: str | None, given: float | None = None) -> float:
    scale, _ = scale_of(transform, CRS.from_user_input(crs) if crs else None, SIZE, given, "m.tif")
    assert scale is not None
    return scale.mm_per_pixel


def test_metres_and_feet() -> None:
    assert mm(from_origin(500000, 5000000, 0.005, 0.005), "EPSG:32633") == pytest.approx(5, rel=1e-9)
    assert mm(from_origin(6000000, 2000000, 0.02, 0.02), "EPSG:2227") == pytest.approx(20 * FOOT, rel=1e-6)


def test_a_turned_mosaic() -> None:
    turned = Affine(0.004, 0.003, 500000, 0.003, -0.004, 5000000)  # both sides 5 mm
    assert mm(turned, "EPSG:32633") == pytest.approx(5, rel=1e-9)


def test_web_mercator_is_measured_on_the_ground() -> None:
    """At 60 degrees a unit of Web Mercator is 0.5 m on the sphere, 0.501 m on the ellipsoid (mean of both axes)."""
    y = 6378137 * math.log(math.tan(math.radians(45 + 30)))
    assert mm(from_origin(1e6, y, 0.01, 0.01), "EPSG:3857") == pytest.approx(5.0, rel=0.005)


def test_degrees_with_square_pixels_are_measured() -> None:
    """Sides of a degree at 45 degrees north: 111132 m and 78847 m (the usual tables)."""
    pixel = from_origin(11, 45, 0.01 / 78847, 0.01 / 111132)
    assert mm(pixel, "EPSG:4326") == pytest.approx(10, rel=1e-3)


def test_degrees_of_other_pixels_are_refused_with_the_repair() -> None:
    message = error_of(scale_of, from_origin(11, 60, 1e-7, 1e-7), CRS.from_epsg(4326), SIZE, None, "m.tif")
    assert_holds(message, ["m.tif", "5.58 x 11.1 mm", "not square", "--mm-per-pixel", "gdalwarp"])
    assert mm(from_origin(11, 60, 1e-7, 1e-7), "EPSG:4326", 7.0) == 7


def test_a_skewed_mosaic_is_refused() -> None:
    skewed = Affine(0.005, 0.002, 500000, 0, -math.sqrt(0.005**2 - 0.002**2), 5000000)
    assert "not square" in error_of(scale_of, skewed, CRS.from_epsg(32633), SIZE, None, "m.tif")


def test_without_a_coordinate_system_there_is_no_scale() -> None:
    scale, told = scale_of(from_origin(0, 0, 0.01, 0.01), None, SIZE, None, "m.tif")
    assert scale is None and "--mm-per-pixel" in told
    assert "--mm-per-pixel" not in scale_of(Affine.identity(), None, SIZE, 3.0, "m.tif")[1]


def test_a_local_system_counts_in_its_units() -> None:
    local = 'LOCAL_CS["site", UNIT["metre", 1]]'
    assert mm(from_origin(0, 0, 0.003, 0.003), local) == pytest.approx(3, rel=1e-9)
