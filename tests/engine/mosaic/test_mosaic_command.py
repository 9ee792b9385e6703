"""Mosaics by predict.py: what is one, how it goes on when stopped, by several processes, and what is refused."""

from __future__ import annotations

import builtins
import json
import os
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from engine.mosaic.detect import is_mosaic
from engine.mosaic.rasters import made_with_of
from tests.helpers.folders import contents
from tests.helpers.mosaics import picture, write_mosaic
from tests.helpers.processes import begin, on_two_processes, stop
from tests.helpers.runs import ROOT, assert_error, run_here, run_well

LINES = [([(20.0, 30.0), (180.0, 150.0)], 5.0), ([(100.0, 20.0), (210.0, 60.0)], 4.0)]
RESULTS = ["m_cracks.geojson", "m_cracks.gpkg", "m_mask.tif"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write_mosaic(tmp_path / "m.tif", picture((200, 240), LINES))
    return tmp_path


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same mask and cracks; a GeoPackage has the time in it."""
    with rasterio.open(one / "m_mask.tif") as first, rasterio.open(other / "m_mask.tif") as second:
        masks = np.array_equal(first.read(1), second.read(1))
    names = sorted(contents(one)) == sorted(contents(other))
    return masks and names and (one / RESULTS[0]).read_text() == (other / RESULTS[0]).read_text()


def test_a_geotiff_is_a_mosaic_and_a_stopped_one_goes_on(work: Path, tiny_weights: Path) -> None:
    command = ["predict.py", "m.tif", "--weights", tiny_weights, "--tile", 16, "--overlap", 4, "--threshold", 0.3]
    done = run_well(*command, "-o", "whole", cwd=work)
    assert "m.tif: 240x200 pixels (0 megapixels), 5 mm per pixel, by its coordinate system" in done.out
    assert sorted(path.name for path in (work / "whole").iterdir()) == RESULTS
    refused = run_here(*command, "-o", "whole", cwd=work)
    assert_error(refused, "whole/m_mask.tif exists", "--resume", "--overwrite", "-o")
    again = run_well(*command, "-o", "whole", "--resume", cwd=work)
    assert again.out == "m.tif was done before\n"
    (work / "alone").mkdir()
    shutil.copy(work / "whole" / "m_cracks.gpkg", work / "alone")
    outcome = run_here(*command, "-o", "alone", "--resume", cwd=work)
    assert_error(outcome, "alone/m_cracks.gpkg exists, and no mask beside it")
    otherwise = run_here(*command, "--min-area", 3, "-o", "whole", "--resume", cwd=work)
    assert_error(otherwise, "--resume: whole/m_mask.tif was made", "--overwrite")

    from engine.mosaic.work import Work

    keep, kept = Work.keep, []

    def stopped(self, tile, values):
        if len(kept) == 5:
            raise KeyboardInterrupt
        kept.append(tile)
        keep(self, tile, values)

    with mock.patch.object(Work, "keep", stopped):
        outcome = run_here(*command, "-o", "out", cwd=work)
    assert (
        outcome.code == 130 and "stopped by Ctrl-C: 5 of 42 tiles of m.tif are done; to go on: python " in outcome.err
    )
    assert outcome.err.strip().endswith("--resume") and not (work / "out" / "m_mask.tif").exists()
    assert_error(run_here(*command, "-o", "out", cwd=work), "out/m_work", "stopped", "--resume", "--overwrite")
    changed = run_here(*command, "--tile", 32, "-o", "out", "--resume", cwd=work)
    assert_error(changed, "--resume: out/m_work was begun with --tile 16, not 32")
    outcome = run_well(*command, "-o", "out", "--resume", cwd=work)
    assert "37 tiles (5 more were done before)" in outcome.out and same(work / "out", work / "whole")
    made_with = made_with_of(work / "out" / "m_mask.tif")
    assert made_with["--tile"] == 16 and made_with["--threshold"] == 0.3 and made_with["--restore"] == "never"
    write_mosaic(work / "m.tif", picture((200, 240), LINES[:1]))
    assert_error(run_here(*command, "-o", "out", "--resume", cwd=work), "of another mosaic")


@pytest.mark.slow
def test_a_killed_run_goes_on(work: Path, tiny_weights: Path) -> None:
    """By Ctrl-C in a process of its own: it says how to go on."""
    command = [ROOT / "predict.py", "m.tif", "--weights", tiny_weights, "--tile", 16, "--overlap", 8, "-o", "out"]
    running = begin(*command, cwd=work)
    outcome = stop(running, lambda: len(list(work.glob("out/m_work/tiles/*/*.z"))) >= 2)
    assert outcome.code == 130 and "tiles of m.tif are done; to go on: python " in outcome.err
    run_well(*command[:1], *command[1:], "--resume", cwd=work)
    run_well(*command[:-1], "whole", cwd=work)
    assert same(work / "out", work / "whole")


@pytest.mark.slow
def test_two_processes_share_the_tiles(work: Path, tiny_weights: Path) -> None:
    command = ["predict.py", "m.tif", "--weights", tiny_weights, "--tile", 16, "--overlap", 4, "-o"]
    outcome = on_two_processes(*command, "two", cwd=work)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("5 mm per pixel") == 1 and "tiles 21/21 (100%)" in outcome.err
    run_well(*command, "one", cwd=work)
    assert same(work / "one", work / "two")


def test_what_is_a_mosaic(work: Path) -> None:
    assert is_mosaic(work / "m.tif") and not is_mosaic(work / "none.tif")
    Image.fromarray(picture((20, 24), [])).save(work / "plain.tif")
    assert not is_mosaic(work / "plain.tif")
    shape = {"driver": "GTiff", "height": 10001, "width": 10000, "count": 1, "dtype": "uint8"}
    with rasterio.open(work / "large.tif", "w", sparse_ok=True, tiled=True, **shape):
        pass
    assert is_mosaic(work / "large.tif")
    shutil.copy(work / "m.tif", work / "m.dat")
    (work / "text.tif").write_text("no picture")
    assert not is_mosaic(work / "m.dat") and not is_mosaic(work / "text.tif")


@pytest.mark.parametrize("size", [0, 1, 2, 4, 6, 8, 9])
@pytest.mark.parametrize("head", [b"II*\0\x08\0\0\0\xff", b"MM\0*\0\0\0\x08\xff", b"II+\0\x08\0\0\0\x10"])
def test_files_that_end_in_their_header_are_none(size: int, head: bytes, tmp_path: Path) -> None:
    (tmp_path / "short.tif").write_bytes(head[:size])
    assert not is_mosaic(tmp_path / "short.tif")


def test_never_takes_it_as_a_photograph_and_always_a_photograph_as_a_mosaic(work: Path, tiny_weights: Path) -> None:
    run_well("predict.py", "m.tif", "--mosaic", "never", "--weights", tiny_weights, "-o", "a", cwd=work)
    assert (work / "a" / "m_mask.png").exists() and not (work / "a" / "m_mask.tif").exists()
    Image.fromarray(picture((60, 80), [])).save(work / "p.png")
    run_well("predict.py", "p.png", "--mosaic", "always", "--weights", tiny_weights, "-o", "b", cwd=work)
    assert sorted(path.name for path in (work / "b").iterdir()) == ["p_cracks.gpkg", "p_mask.tif"]


def bands(count: int, kind: str = "uint8") -> np.ndarray:
    return np.zeros((40, 40, count), kind)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (bands(5), ["m.tif", "5 bands", "red, green and blue", "gdal_translate"]),
        (bands(1, "uint16"), ["m.tif", "16-bit", "--bits"]),
        (bands(3, "float32"), ["m.tif", "float32", "gdal_translate -ot Byte"]),
        (bands(3)[:6], ["m.tif", "40x6 pixels are too few"]),
        (bands(3, "uint16") + np.uint16(5000), ["m.tif", "more than bits: 12 allows"]),
    ],
)
def test_what_is_no_photograph_is_refused(pixels: np.ndarray, told: list[str], work: Path, tiny_weights: Path) -> None:
    write_mosaic(work / "m.tif", pixels)
    more = ["--bits", 12] if pixels.max() else []
    outcome = run_here("predict.py", "m.tif", "--weights", tiny_weights, "-o", "out", *more, cwd=work)
    assert_error(outcome, *told)
    assert not list(work.glob("out/*mask*"))


def test_other_kinds_of_bands_are_read(work: Path, tiny_weights: Path) -> None:
    """Grey, a palette and 12 bits of the same picture give the same mask."""
    grey = picture((200, 240), LINES)[:, :, :1]
    write_mosaic(work / "rgb.tif", np.repeat(grey, 3, 2))
    write_mosaic(work / "grey.tif", grey)
    write_mosaic(work / "deep.tif", (grey.astype(float) * 4095 / 255).round().astype(np.uint16))
    index = (255 - grey).astype(np.uint8)
    write_mosaic(work / "palette.tif", index, photometric="palette")
    with rasterio.open(work / "palette.tif", "r+") as file:
        file.write_colormap(1, {value: (255 - value,) * 3 for value in range(256)})
    masks = []
    for name in ("rgb", "grey", "deep", "palette"):
        more = ["--bits", 12] if name == "deep" else []
        command = ["predict.py", f"{name}.tif", "--weights", tiny_weights, "--probability", "-o", "out", *more]
        run_well(*command, cwd=work)
        with rasterio.open(work / "out" / f"{name}_probability.tif") as file:
            masks.append(file.read(1).astype(int))
    assert all(np.abs(mask - masks[0]).max() <= 1 for mask in masks[1:]) and np.ptp(masks[0]) > 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["text.tif", "--mosaic", "always"], ["text.tif: no readable GeoTIFF"]),
        (["none.tif", "--mosaic", "always"], ["no such file: 'none.tif'"]),
        (["m.tif", "p.png"], ["m.tif is a mosaic", "two calls", "--mosaic never"]),
        (["m.tif", "sub/m.tif"], ["same name"]),
        ([".", "--mosaic", "always"], ["is a folder"]),
        (["m.tif", "--rle", "a.csv"], ["--rle is for photographs, and m.tif is a mosaic"]),
        (["m.tif", "--mm-per-pixel", "0"], ["--mm-per-pixel 0: give a positive number"]),
        (["m.tif", "--distance", "2"], ["--distance is for photographs"]),
        (["p.png", "--probability"], ["--probability is for mosaics"]),
        (["m.tif", "--tile", "8"], ["--tile 8"]),
        (["m.tif", "-o", "text.tif"], ["-o text.tif: a file is in the way"]),
        (["m.tif", "--threshold", "2"], ["--threshold 2"]),
        (["degrees.tif"], ["degrees.tif: pixels are", "--mm-per-pixel"]),
        (["points.tif", "--mosaic", "always"], ["points.tif: placed by control points alone", "gdalwarp"]),
    ],
)
def test_mistakes_are_answered_in_a_line(arguments: list[str], told: list[str], work: Path, tiny_weights: Path) -> None:
    Image.fromarray(picture((60, 80), [])).save(work / "p.png")
    (work / "text.tif").write_text("no picture")
    (work / "sub").mkdir()
    shutil.copy(work / "m.tif", work / "sub" / "m.tif")
    degrees = Affine(1e-7, 0, 11, 0, -1e-7, 60)
    write_mosaic(work / "degrees.tif", picture((60, 80), []), crs="EPSG:4326", transform=degrees)
    corners = [rasterio.control.GroundControlPoint(row, row, 11 + row, 60) for row in (0, 20, 40)]
    write_mosaic(work / "points.tif", picture((60, 80), []), transform=Affine.identity(), gcps=corners, crs="EPSG:4326")
    before = contents(work)
    assert_error(run_here("predict.py", *arguments, "--weights", tiny_weights, cwd=work), *told)
    assert contents(work) == before


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
def test_several_mosaics_are_checked_before_any_is_done(more: list[str], work: Path, tiny_weights: Path) -> None:
    degrees = Affine(1e-7, 0, 11, 0, -1e-7, 60)
    for name in ("m_mask.tif", "z.tif"):
        write_mosaic(work / name, picture((60, 80), []), crs="EPSG:4326", transform=degrees)
    before = contents(work)
    more = ["--weights", tiny_weights, *more]
    outcome = run_here("predict.py", "m.tif", "m_mask.tif", *more, "--mm-per-pixel", 5, "-o", ".", cwd=work)
    assert_error(outcome, "m_mask.tif: a result of m.tif would replace it", "another folder with -o")
    outcome = run_here("predict.py", "m.tif", "z.tif", *more, "-o", "out", cwd=work)
    assert_error(outcome, "z.tif: pixels are", "--mm-per-pixel")
    outcome = run_here("predict.py", "m.tif", "none.tif", *more, "--mosaic", "always", "-o", "out", cwd=work)
    assert_error(outcome, "no such file: 'none.tif'")
    assert contents(work) == before


def test_a_mosaic_that_was_begun_is_seen_before_another_is_done(work: Path, tiny_weights: Path) -> None:
    shutil.copy(work / "m.tif", work / "n.tif")
    (work / "out" / "n_work").mkdir(parents=True)
    (work / "out" / "n_work" / "made-with.json").write_text("{}")
    outcome = run_here("predict.py", "m.tif", "n.tif", "--weights", tiny_weights, "-o", "out", cwd=work)
    assert_error(outcome, "out/n_work is that of a run that was stopped")
    (work / "new").mkdir()
    (work / "new" / "n_mask.tif").write_text("something")
    outcome = run_here("predict.py", "m.tif", "n.tif", "--weights", tiny_weights, "-o", "new", cwd=work)
    assert_error(outcome, "new/n_mask.tif exists")
    assert sorted(contents(work / "new")) == ["n_mask.tif"]


NO_TEXT = b"caf\xe9".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("name", "out", "told"),
    [
        (f"{NO_TEXT}.tif", "out", [f"{NO_TEXT}.tif: bytes of the name are no UTF-8", "rename it"]),
        (f"{NO_TEXT}/m.tif", "out", [f"{NO_TEXT}/m.tif: bytes of the name are no UTF-8", "rename it"]),
        ("new!.tif", "out", ["new!.tif: '!' in the name", "rename it"]),
        ("m.tif", NO_TEXT, [f"-o {NO_TEXT}: ", "give another folder"]),
        ("m.tif", "new!/out", ["-o new!/out: '!'", "give another folder"]),
    ],
)
def test_names_that_gdal_does_not_take(name: str, out: str, told: list[str], work: Path, tiny_weights: Path) -> None:
    (work / name).parent.mkdir(exist_ok=True)
    os.replace(work / "m.tif", work / name)
    before = sorted(os.walk(work))
    assert_error(run_here("predict.py", name, "--weights", tiny_weights, "-o", out, cwd=work), *told)
    assert sorted(os.walk(work)) == before


def test_names_with_other_signs(work: Path, tiny_weights: Path) -> None:
    """Also a folder with "!" that mosaics lie in: only names of results go through a GeoPackage."""
    name = "a!b/Straße 1 & <2> #3?%20;'\".tif"
    (work / name).parent.mkdir()
    os.replace(work / "m.tif", work / name)
    run_well("predict.py", name, "--weights", tiny_weights, "-o", "a & b;", cwd=work)
    stem = Path(name).stem
    found = sorted(path.name for path in (work / "a & b;").iterdir())
    assert found == [f"{stem}_{end}" for end in ("cracks.geojson", "cracks.gpkg", "mask.tif")]


def test_without_the_packages_there_is_one_line(work: Path, tiny_weights: Path) -> None:
    real = builtins.__import__

    def missing(name, *more, **others):
        if name == "rasterio":
            raise ImportError("No module named 'rasterio'")
        return real(name, *more, **others)

    with mock.patch.object(builtins, "__import__", missing):
        outcome = run_here("predict.py", "m.tif", "--weights", tiny_weights, cwd=work)
    assert_error(outcome, "rasterio", "pip install rasterio pyogrio shapely skan")


def test_the_shipped_network_finds_a_crack(tmp_path: Path) -> None:
    """A wide dark line on a grainy surface is long and wide as it was drawn, in metres."""
    random = np.random.default_rng(0)
    grain = random.normal(0, 6, (500, 700))[:, :, None]
    pixels = picture((500, 700), [([(80.0, 120.0), (350.0, 260.0), (620.0, 250.0)], 7.0)]).astype(float) * 0.75
    write_mosaic(tmp_path / "m.tif", np.clip(pixels + grain, 1, 255).astype(np.uint8))
    run_well("predict.py", "m.tif", "--weights", "compact", "--precision", "float32", "-o", "out", cwd=tmp_path)
    found = json.loads((tmp_path / "out" / "m_cracks.geojson").read_text())["features"]
    longest = max((one["properties"] for one in found), key=lambda one: one["length_mm"])
    assert longest["length_mm"] == pytest.approx(1000 * 0.005 * (304.1 + 270.2), rel=0.03)
    assert 25 < longest["mean_width_mm"] < 75, "drawn 35 mm wide; networks say where cracks are, not exactly how wide"
