"""Cracks as layers, opened again by other programs' readers: where they are, how long, how wide, in metres."""

from __future__ import annotations

import json
import math
import sqlite3
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import Affine
from rasterio.warp import transform

from benchmarks.darkness import Darkness
from engine.predict.scale import ScaleChoice
from tests.engine.mosaic.test_rasters import run
from tests.helpers.mosaics import picture, write_mosaic

PIXEL = 0.005  # m
CORNERS = [(60.0, 70.0), (500.0, 380.0), (900.0, 360.0)]
LINES = [(CORNERS, 5.0), ([(150.0, 690.0), (700.0, 500.0)], 3.0), ([(30.0, 400.0), (130.0, 400.0)], 8.0)]
LENGTHS = [math.dist(CORNERS[0], CORNERS[1]) + math.dist(CORNERS[1], CORNERS[2]), math.hypot(550, 190), 100.0]


def read(path: Path) -> tuple[dict, list, list[dict]]:
    """Facts, shapes and rows of the layer, by falling length."""
    facts, _, shapes, columns = pyogrio.raw.read(path, layer="cracks")
    rows = [dict(zip(facts["fields"], row, strict=True)) for row in zip(*columns, strict=True)]
    order = sorted(range(len(rows)), key=lambda index: -rows[index]["length_px"])
    return facts, [shapely.from_wkb(shapes[index]) for index in order], [rows[index] for index in order]


@pytest.mark.parametrize("restore", ["never", "always"])
@pytest.mark.parametrize("turned", [0, 30])
def test_cracks_are_where_they_were_drawn(turned: int, restore: str, tmp_path: Path) -> None:
    place = Affine.translation(500000, 5000000) @ Affine.rotation(turned) @ Affine.scale(PIXEL, -PIXEL)
    path = write_mosaic(tmp_path / "m.tif", picture((740, 960), LINES), transform=place)
    run(path, tmp_path, Darkness(), restore=restore)
    facts, shapes, rows = read(tmp_path / "m_cracks.gpkg")
    assert facts["crs"] == "EPSG:32633" and facts["geometry_type"] == "MultiLineString"
    assert len(rows) == 3 and sorted(row["id"] for row in rows) == [1, 2, 3]
    for shape, row, (corners, width), length in zip(shapes, rows, LINES, LENGTHS, strict=True):
        assert row["length_px"] == pytest.approx(length, rel=0.01)
        assert row["length_mm"] / 1000 == pytest.approx(length * PIXEL, rel=0.01)
        assert abs(row["length_px"] - length) < 2 * row["length_px_uncertainty"]
        for name in ("mean", "p95", "max"):
            assert row[f"{name}_width_px"] == pytest.approx(width, abs=0.3)
            assert row[f"{name}_width_mm"] == pytest.approx(1000 * PIXEL * row[f"{name}_width_px"], rel=1e-3)
            assert 0 < row[f"{name}_width_mm_uncertainty"] < 3
        assert row["area_mm2"] == pytest.approx(length * width * 25, rel=0.05)
        x, y = np.array(corners).T
        truth = shapely.linestrings(
            np.stack([place.a * x + place.b * y + place.c, place.d * x + place.e * y + place.f], 1)
        )
        assert shapely.hausdorff_distance(shape, truth) < (1.5 * width + 1) * PIXEL, "lines end in a crack's ends"
        off = shapely.distance(truth, shapely.points(shapely.get_coordinates(shape)))
        bend = 3 if len(corners) > 2 else 0  # px, rounded off
        assert np.sort(off)[: len(off) - bend].max() <= PIXEL / 2 + 1e-6, "within half a pixel"
        widest = shapely.points(row["widest_x"], row["widest_y"])
        assert shapely.distance(shape, widest) < PIXEL
    assert (rows[2]["orientation"] - turned + 90) % 180 - 90 == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(("restore", "width", "more"), [("never", 5, 0.0), ("always", 5.25, 0.125)])
def test_lines_lie_on_the_middle_of_cracks(restore: str, width: float, more: float, tmp_path: Path) -> None:
    """One down and one across; as wide as an odd number of pixels of what is measured, whose middle is one of them."""
    x, y = 60.5 + more, 200.5 + more
    lines = [([(x, 20.0), (x, 240.0)], width), ([(100.0, y), (240.0, y)], width)]
    run(write_mosaic(tmp_path / "m.tif", picture((260, 260), lines)), tmp_path, Darkness(), restore=restore)
    _, (down, across), rows = read(tmp_path / "m_cracks.gpkg")
    assert _mean_along(down, 1, (40, 220)) / PIXEL - 500000 / PIXEL == pytest.approx(x, abs=0.1)
    assert 5000000 / PIXEL - _mean_along(across, 0, (120, 220)) / PIXEL == pytest.approx(y, abs=0.1)
    assert (rows[0]["widest_x"] - 500000) / PIXEL == pytest.approx(x, abs=0.6)
    assert (5000000 - rows[1]["widest_y"]) / PIXEL == pytest.approx(y, abs=0.6)


def _mean_along(shape: shapely.Geometry, axis: int, between: tuple[int, int]) -> float:
    """The mean of the other coordinate between two places, pixels from the corner, along an axis (0: x, 1: y)."""
    points = shapely.get_coordinates(shape)
    along = (points[:, 0] - 500000 if axis == 0 else 5000000 - points[:, 1]) / PIXEL
    order = np.argsort(along)
    places = np.linspace(*between, 500)
    return float(np.interp(places, along[order], points[order, 1 - axis]).mean())


def test_a_geopackage_by_the_letter(tmp_path: Path) -> None:
    """Tables, numbers and names that the specification (OGC 12-128r18) asks for."""
    run(write_mosaic(tmp_path / "m.tif", picture((740, 960), LINES)), tmp_path, Darkness())
    with sqlite3.connect(tmp_path / "m_cracks.gpkg") as base:
        assert base.execute("PRAGMA application_id").fetchone()[0] == 0x47504B47
        contents = base.execute("SELECT table_name, data_type, srs_id FROM gpkg_contents").fetchall()
        assert contents == [("cracks", "features", 32633)]
        shape = base.execute("SELECT column_name, geometry_type_name, srs_id FROM gpkg_geometry_columns").fetchall()
        assert shape == [("geom", "MULTILINESTRING", 32633)]
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert base.execute("SELECT typeof(length_mm), typeof(branches) FROM cracks").fetchone() == ("real", "integer")


def test_geojson_is_in_longitude_and_latitude(tmp_path: Path) -> None:
    run(write_mosaic(tmp_path / "m.tif", picture((740, 960), LINES)), tmp_path, Darkness())
    content = json.loads((tmp_path / "m_cracks.geojson").read_text())
    assert content["type"] == "FeatureCollection" and "crs" not in content and len(content["features"]) == 3
    _, shapes, rows = read(tmp_path / "m_cracks.gpkg")
    by_id = {row["id"]: (shape, row) for shape, row in zip(shapes, rows, strict=True)}
    for feature in content["features"]:
        shape, row = by_id[feature["properties"]["id"]]
        assert feature["geometry"]["type"] == "LineString"
        assert feature["properties"]["length_mm"] == row["length_mm"]
        longitude, latitude = np.array(feature["geometry"]["coordinates"]).T
        assert abs(longitude - 15).max() < 0.001 and abs(latitude - 45.15).max() < 0.01, "zone 33, 5000 km north"
        back = np.stack(transform("EPSG:4326", "EPSG:32633", longitude, latitude), 1)
        assert np.abs(back - shapely.get_coordinates(shape)).max() < 2e-4


@pytest.mark.parametrize("crs", [None, "EPSG:32633", "EPSG:4326"])
def test_without_a_place_lines_are_in_pixels(crs: str | None, tmp_path: Path) -> None:
    """A coordinate system without a transform is no place: pixels would be metres, or degrees."""
    path = write_mosaic(tmp_path / "m.tif", picture((740, 960), LINES), crs=crs, transform=Affine.identity())
    run(path, tmp_path, Darkness(), scale=ScaleChoice(mm_per_pixel=2.0))
    facts, shapes, rows = read(tmp_path / "m_cracks.gpkg")
    assert facts["crs"] is None and not (tmp_path / "m_cracks.geojson").exists()
    assert shapely.bounds(shapes[2]) == pytest.approx([34, -400, 126, -400], abs=8)
    assert rows[2]["length_mm"] == pytest.approx(200, rel=0.01)
    with rasterio.open(tmp_path / "m_mask.tif") as file:
        assert file.crs is None and file.transform.is_identity


def test_a_mosaic_without_cracks_has_an_empty_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(write_mosaic(tmp_path / "m.tif", picture((300, 200), [])), tmp_path, Darkness())
    facts, shapes, _ = read(tmp_path / "m_cracks.gpkg")
    assert not shapes and "length_mm" in list(facts["fields"])
    assert json.loads((tmp_path / "m_cracks.geojson").read_text())["features"] == []
    assert ": 0 cracks, 0.00 ± 0.00 m long in all; 0.000% crack" in capsys.readouterr().out


def test_a_coordinate_system_near_another_keeps_its_own_shift(tmp_path: Path) -> None:
    """EPSG:25833 is this system without the shift of its datum, 110 m."""
    shifted = "+proj=utm +zone=33 +ellps=GRS80 +towgs84=100,50,0"
    run(write_mosaic(tmp_path / "m.tif", picture((740, 960), LINES), crs=shifted), tmp_path, Darkness())
    facts, shapes, rows = read(tmp_path / "m_cracks.gpkg")
    assert facts["crs"] != "EPSG:25833"
    there = shapely.get_coordinates(shapes[0])
    ways = [np.stack(transform(facts["crs"], "EPSG:4326", *there.T), 1)]
    features = json.loads((tmp_path / "m_cracks.geojson").read_text())["features"]
    (plain,) = [one for one in features if one["properties"]["id"] == rows[0]["id"]]
    ways.append(np.array(plain["geometry"]["coordinates"]))
    assert np.abs(ways[0] - ways[1]).max() < 2e-8, "both layers are in one place"
    unshifted = np.stack(transform("EPSG:25833", "EPSG:4326", *there.T), 1)
    assert np.abs(ways[0] - unshifted).max() > 1e-4
