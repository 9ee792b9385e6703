"""Cracks over the borders of blocks: each is found, counted and measured as a whole, whatever the blocks are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from engine.mosaic.components import Cracks
from engine.mosaic.geotiff import gdal
from engine.mosaic.grid import LEVELS
from engine.mosaic.measured import Limits, Measured, measured
from engine.mosaic.rasters import create
from metrics.geometry import measure
from tests.helpers.mosaics import covered, picture

LEVEL = 127


@pytest.fixture(autouse=True)
def _inside_gdal():
    with gdal():
        yield


def written(path: Path, values: NDArray[np.uint8]) -> Path:
    with create(path, *values.shape) as file:
        file.write(values, 1)
    return path


@pytest.mark.parametrize(("size", "side"), [((100, 130), 16), ((64, 64), 64), ((97, 33), 32), ((40, 50), 1)])
def test_regions_are_those_of_the_whole(size: tuple[int, int], side: int, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = (ndimage.gaussian_filter(random.normal(size=size), 1.2) > 0.1).astype(np.uint8) * 200
    values[random.random(size) < 0.02] = 255
    crack = (values >= LEVEL) & (values != 255)
    labels, count = ndimage.label(crack, np.ones((3, 3)))
    areas, boxes = np.bincount(labels.ravel())[1:], ndimage.find_objects(labels)
    with rasterio.open(written(tmp_path / "v.tif", values)) as file:
        cracks = Cracks(file, LEVEL, 3, side)
        found, numbers = cracks.window((0, size[0]), (0, size[1]))
        assert np.array_equal(found, np.where(values == 255, 0, values))
        assert cracks.areas.tolist() == sorted(areas[areas >= 3], reverse=True) and count > len(cracks) > 5
        for crack in cracks:
            (label,) = set(labels[numbers == crack.number])
            box = boxes[label - 1]
            assert crack.area == areas[label - 1] == sum(area for _, area in crack.parts)
            assert crack.box == (box[0].start, box[1].start, box[0].stop, box[1].stop)
        assert np.array_equal(cracks.window((7, 33), (5, 29))[1], numbers[7:33, 5:29])


@pytest.fixture(scope="module")
def drawn() -> NDArray[np.uint8]:
    """A network of lines of 3 to 9 px with junctions and a loop, and two others, one of them in its box."""
    size = (900, 1000)
    corners = [(200.0, 620.0), (330.0, 560.0), (420.0, 680.0), (300.0, 760.0), (200.0, 620.0)]
    lines = [
        ([(40.0, 60.0), (480.0, 300.0), (950.0, 280.0)], 5.0),
        ([(480.0, 300.0), (420.0, 680.0)], 3.0),
        ([(700.0, 290.0), (880.0, 820.0)], 9.0),
        (corners, 4.0),
        ([(560.0, 500.0), (660.0, 640.0)], 6.0),
        ([(600.0, 100.0), (900.0, 110.0)], 2.0),
    ]
    cover = np.max([covered(size, line, width) for line, width in lines], axis=0)
    return np.rint(cover * LEVELS).astype(np.uint8)


def by_size(path: Path, side: int, limits: Limits) -> list[Measured]:
    with rasterio.open(path) as file:
        return sorted(measured(Cracks(file, LEVEL, 0, side), limits), key=lambda one: one.number)


def test_a_crack_in_its_box_is_measured_as_in_the_whole(drawn: NDArray[np.uint8], tmp_path: Path) -> None:
    whole = measure(drawn / LEVELS, (LEVEL - 0.5) / LEVELS)
    found = by_size(written(tmp_path / "v.tif", drawn), 256, Limits())
    assert len(found) == len(whole) == 3
    for one, crack in zip(found, whole, strict=True):
        assert not one.part and one.crack.box == crack.box and one.crack.widest == crack.widest
        for name in ("length", "mean_width", "p95_width", "max_width"):
            assert getattr(one.crack, name).value == pytest.approx(getattr(crack, name).value, rel=1e-12)
        assert all(np.allclose(a, b) for a, b in zip(one.crack.lines, crack.lines, strict=True))


@pytest.mark.parametrize("side", [128, 200, 512])
def test_a_crack_of_many_blocks_is_measured_as_a_whole(side: int, drawn: NDArray[np.uint8], tmp_path: Path) -> None:
    whole = measure(drawn / LEVELS, (LEVEL - 0.5) / LEVELS)
    found = by_size(written(tmp_path / "v.tif", drawn), side, Limits(direct=0))
    assert len(found) == len(whole) == 3
    for one, crack in zip(found, whole, strict=True):
        assert not one.part and (one.crack.area, one.crack.box) == (crack.area, crack.box)
        assert one.crack.length.value == pytest.approx(crack.length.value, rel=1e-4)
        assert one.crack.length.uncertainty == pytest.approx(crack.length.uncertainty, rel=0.02)
        for name in ("mean_width", "p95_width", "max_width"):
            assert getattr(one.crack, name).value == pytest.approx(getattr(crack, name).value, abs=0.02)
            assert getattr(one.crack, name).uncertainty == pytest.approx(getattr(crack, name).uncertainty, rel=0.2)
        assert one.crack.orientation == pytest.approx(crack.orientation, abs=0.5)
        assert (one.crack.branches, one.crack.junctions) == (crack.branches, crack.junctions)
        distance = [min(np.abs(line[:, None] - other[None]).max(2).min(1).max() for other in crack.lines)
                    for line in one.crack.lines]  # fmt: skip
        assert max(distance) < 0.75, "lines of blocks lie on those of the whole"


def test_a_crack_too_large_for_memory_is_split_and_its_parts_are_named(
    drawn: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = written(tmp_path / "v.tif", drawn)
    whole = by_size(path, 128, Limits(direct=0))
    found = by_size(path, 128, Limits(direct=0, area=3000))
    parts = [one for one in found if one.number == 1]
    assert len(parts) > 3 and len({one.part for one in parts}) == len(parts)
    assert all(one.part.startswith("rows ") for one in parts) and all(one.crack.area <= 3000 for one in parts)
    assert sum(one.crack.area for one in parts) == whole[0].crack.area
    assert sum(one.crack.length.value for one in parts) == pytest.approx(whole[0].crack.length.value, rel=1e-6)
    assert [one.part for one in found if one.number > 1] == ["", ""]


def test_a_ring_across_blocks_is_one_line(tmp_path: Path) -> None:
    rows, columns = np.indices((300, 300)) - 149.5
    radius = np.hypot(rows, columns)
    values = np.rint(np.clip(3 - np.abs(radius - 100), 0, 1) * LEVELS).astype(np.uint8)
    (one,) = by_size(written(tmp_path / "v.tif", values), 100, Limits(direct=0))
    assert (one.crack.branches, one.crack.junctions) == (1, 0)
    assert one.crack.length.value == pytest.approx(2 * np.pi * 100, rel=0.01)
    assert one.crack.mean_width.value == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("limits", [Limits(), Limits(direct=0)], ids=["at once", "in blocks"])
def test_widths_are_those_of_the_photograph(limits: Limits, tmp_path: Path) -> None:
    """The map is twice as wide as what is dark in the mosaic."""
    size, line = (400, 700), [(40.0, 60.0), (380.0, 200.0), (650.0, 210.0)]
    path = written(tmp_path / "v.tif", np.rint(covered(size, line, 10.0) * LEVELS).astype(np.uint8))
    dark = picture(size, [(line, 5.0)])[:, :, 0]
    with rasterio.open(path) as file:
        (one,) = measured(
            Cracks(file, LEVEL, 0, 128), limits, lambda rows, columns: dark[slice(*rows), slice(*columns)]
        )
    assert one.crack.method == "grey" and one.crack.mean_width.value == pytest.approx(5, abs=0.1)
