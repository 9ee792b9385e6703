"""Mosaics as rasters: what one photograph gives, cloud-optimised, in its place, and nothing where nothing is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
import torch
from rasterio.transform import Affine

from benchmarks.darkness import Darkness, source_of
from engine.mosaic.geotiff import continued, gdal, opened
from engine.mosaic.rasters import largest
from engine.mosaic.run import Run
from engine.predict.photo import search
from engine.predict.plan import Settings
from engine.predict.tiled_model import TiledModel
from engine.runtime.distributed import ALONE
from models.base import WholeModel
from tests.helpers.mosaics import picture, write_mosaic

CPU = torch.device("cpu")
LINES = [([(60, 70), (500, 380), (900, 360)], 5.0), ([(150, 690), (700, 500)], 3.0), ([(30, 400), (130, 400)], 8.0)]


def run(path: Path, out: Path, model: WholeModel, area: int = 0, **chosen: object) -> Run:
    """Do a mosaic with a model that needs no weights, in small tiles."""
    settings = Settings(**({"out": out, "restore": "never", "tile": 64, "overlap": 16} | chosen))  # type: ignore[arg-type]
    with gdal(), opened(path, settings.bits) as mosaic:
        done = Run(mosaic, settings, True, source_of(model, area), ALONE)
        done.check([path])
        done.do()
    return done


def values(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """A surface with a gradient of light, grain and three cracks."""
    drawn = picture((740, 960), LINES).astype(np.float32)
    light = np.linspace(-20, 10, 960) + np.random.default_rng(0).normal(0, 3, drawn.shape[:2])
    return np.clip(drawn + light[:, :, None], 1, 255).round().astype(np.uint8)


@pytest.fixture
def absent(pixels: np.ndarray) -> np.ndarray:
    """A corner, cut across, that shows nothing."""
    rows, columns = np.indices(pixels.shape[:2])
    return columns - rows > 700


@pytest.mark.parametrize("restore", ["never", "always"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_mosaic_is_what_one_photograph_is(pixels: np.ndarray, tmp_path: Path, relative: bool, restore: str) -> None:
    """The stand-in looks at one pixel, and at the whole picture's mean: a seam would differ, and a wrong mean."""
    if relative and restore == "always":
        pytest.skip("statistics are of the mosaic, those of a photograph of the restored one")
    model = Darkness(relative)
    path = write_mosaic(tmp_path / "m.tif", pixels)
    run(path, tmp_path, model, restore=restore)
    whole = search(TiledModel(model, CPU, 64, 16, quiet=True), pixels, restore == "always").probability
    found = values(tmp_path / "m_probability.tif") / 254
    assert np.abs(found - whole).max() <= 1.01 / 254
    sure = np.abs(whole - 0.5) > 1 / 254
    mask = values(tmp_path / "m_mask.tif")
    assert (mask[sure] == (whole >= 0.5)[sure]).all() and 0.001 < mask.mean() < 0.1


def test_small_regions_are_removed_as_from_a_photograph(pixels: np.ndarray, tmp_path: Path) -> None:
    path = write_mosaic(tmp_path / "m.tif", pixels)
    run(path, tmp_path / "all", Darkness(), threshold=0.14)
    run(path, tmp_path / "large", Darkness(), area=700, threshold=0.14)
    every, large = (values(tmp_path / name / "m_mask.tif") for name in ("all", "large"))
    import cv2

    _, labels, statistics, _ = cv2.connectedComponentsWithStats(every, connectivity=8)
    kept = statistics[:, cv2.CC_STAT_AREA] >= 700
    kept[0] = False
    assert np.array_equal(large, kept[labels].astype(np.uint8)) and (every != large).any() and large.any()


@pytest.mark.parametrize("kind", ["alpha", "nodata", "mask"])
def test_nothing_is_found_where_nothing_is_shown(
    kind: str, pixels: np.ndarray, absent: np.ndarray, tmp_path: Path
) -> None:
    pixels = pixels.copy()
    pixels[absent] = 0  # as dark as a crack
    path = tmp_path / "m.tif"
    if kind == "alpha":
        write_mosaic(path, pixels, absent)
    elif kind == "nodata":
        write_mosaic(path, pixels, nodata=0)
    else:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            write_mosaic(path, pixels)
            with rasterio.open(path, "r+") as file:
                file.write_mask(~absent)
    run(path, tmp_path, Darkness())
    for name in ("m_mask.tif", "m_probability.tif"):
        with rasterio.open(tmp_path / name) as file:
            assert file.nodata == 255 and np.array_equal(file.read(1) == 255, absent)
    mask, probability = values(tmp_path / "m_mask.tif"), values(tmp_path / "m_probability.tif")
    beside = np.zeros_like(absent)
    beside[:, :-3] = absent[:, 3:] & ~absent[:, :-3]
    beside[300:] = False
    assert beside.sum() > 100 and (mask[beside] == 0).all() and probability[beside].max() < 127, "the rim is no crack"


def test_no_data_beyond_the_depth_of_the_values(pixels: np.ndarray, absent: np.ndarray, tmp_path: Path) -> None:
    """12 bits in 16, as cameras give them, and no data the largest of 16."""
    deep = np.rint(pixels / 255 * 4095).astype(np.uint16)
    deep[absent] = 65535
    path = write_mosaic(tmp_path / "m.tif", deep, nodata=65535)
    run(path, tmp_path, Darkness(), bits=12)
    found = values(tmp_path / "m_probability.tif")
    assert np.array_equal(found == 255, absent)
    write_mosaic(path, np.where(absent[:, :, None], 0, pixels).astype(np.uint8), nodata=0)
    run(path, tmp_path / "plain", Darkness())
    plain = values(tmp_path / "plain" / "m_probability.tif")
    assert np.abs(found.astype(int) - plain).max() <= 1, "12 bits hold a rounding more"


def test_rasters_are_cloud_optimised_and_in_their_place(pixels: np.ndarray, tmp_path: Path) -> None:
    turned = Affine.translation(500000, 5000000) * Affine.rotation(30) * Affine.scale(0.005, -0.005)
    path = write_mosaic(tmp_path / "m.tif", np.tile(pixels, (2, 2, 1)), transform=turned, crs="EPSG:25833")
    run(path, tmp_path, Darkness(), tile=256)
    for name in ("m_mask.tif", "m_probability.tif"):
        with rasterio.open(tmp_path / name) as file:
            assert file.transform.almost_equals(turned, 1e-9) and file.crs.to_epsg() == 25833
            assert file.shape == (1480, 1920) and file.dtypes == ("uint8",) and file.block_shapes == [(512, 512)]
            assert file.overviews(1) == [2, 4] and file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            full, half = file.read(1), file.read(1, out_shape=(740, 960))
        assert np.array_equal(half, full.reshape(740, 2, 960, 2).max((1, 3))), "thin cracks are seen from afar"
        with tifffile.TiffFile(tmp_path / name) as tiff:
            starts = [page.offset for page in tiff.pages]
            data = [min(offset for offset in page.dataoffsets if offset) for page in tiff.pages]
        assert starts == sorted(starts) and starts[-1] < min(data), "all directories before all pixels"
        assert data == sorted(data, reverse=True), "overviews before the full size"


def test_cog_of_another_validator(pixels: np.ndarray, tmp_path: Path) -> None:
    cogeo = pytest.importorskip("rio_cogeo")
    run(write_mosaic(tmp_path / "m.tif", pixels), tmp_path, Darkness())
    for name in ("m_mask.tif", "m_probability.tif"):
        assert cogeo.cog_validate(tmp_path / name, strict=True) == (True, [], [])


def test_a_surface_goes_on_beyond_its_edge_as_in_a_mirror() -> None:
    pixels = np.repeat(np.array([[10, 20, 30, 40, 0, 0]], np.uint8)[:, :, None], 3, 2)
    absent = np.array([[False, False, False, False, True, True]])
    assert continued(pixels, absent)[0, :, 0].tolist() == [10, 20, 30, 40, 30, 20]
    alone = continued(pixels, np.array([[False, True, True, True, True, True]]))[0, :, 0]
    assert alone[0] == 10 and np.abs(alone.astype(int) - 10).max() <= 1, "without a mirror image the colour itself"


def test_the_largest_of_four_pixels() -> None:
    values = np.array([[0, 1, 255], [0, 255, 255], [3, 2, 255]], np.uint8)
    assert np.array_equal(largest(values, 2), [[1, 255], [3, 255]])
    assert largest(values, 1) is values
