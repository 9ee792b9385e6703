"""The work folder of a mosaic: what of it is the program's, and what is left alone."""

from __future__ import annotations

import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import rasterio
import tifffile

from benchmarks.darkness import Darkness, source_of
from engine.mosaic.geotiff import gdal, opened
from engine.mosaic.measured import Limits
from engine.mosaic.run import Run
from engine.mosaic.work import RECORD, Work
from engine.predict.plan import Settings
from engine.runtime.distributed import ALONE
from tests.engine.mosaic.test_rasters import run, values
from tests.helpers.errors import assert_holds, error_of
from tests.helpers.folders import contents
from tests.helpers.mosaics import picture, write_mosaic

LINES = [([(20.0, 30.0), (180.0, 150.0)], 5.0), ([(100.0, 20.0), (210.0, 60.0)], 4.0)]


@pytest.fixture
def mosaic(tmp_path: Path) -> Path:
    return write_mosaic(tmp_path / "m.tif", picture((200, 240), LINES))


@pytest.mark.parametrize("chosen", [{}, {"resume": True}, {"overwrite": True}, {"resume": True, "overwrite": True}])
def test_a_folder_of_the_user_is_left_alone(mosaic: Path, tmp_path: Path, chosen: dict[str, bool]) -> None:
    out = tmp_path / "out"
    (out / "m_work" / "tiles").mkdir(parents=True)
    (out / "m_work" / "tiles" / "thesis.txt").write_text("years of it")
    before = contents(out)
    message = error_of(run, mosaic, out, Darkness(), **chosen)
    assert_holds(message, ["out/m_work is not of this program", "rename it", "-o"])
    assert contents(out) == before


def test_a_file_in_the_way_of_the_folder(mosaic: Path, tmp_path: Path) -> None:
    (tmp_path / "m_work").write_text("mine")
    assert "m_work is not of this program" in error_of(run, mosaic, tmp_path, Darkness(), overwrite=True)


def test_a_file_of_the_user_in_a_folder_of_ours_stays(mosaic: Path, tmp_path: Path) -> None:
    work = Work(tmp_path / "m_work")
    work.begin({"mosaic": "another"}, False, False)
    (work.folder / "notes.txt").write_text("mine")
    run(mosaic, tmp_path, Darkness(), overwrite=True)
    assert contents(work.folder) == {"notes.txt": b"mine"} and (tmp_path / "m_mask.tif").exists()


def test_a_folder_of_a_run_killed_at_once_is_ours(mosaic: Path, tmp_path: Path) -> None:
    (tmp_path / "m_work").mkdir()
    (tmp_path / "m_work" / f"{RECORD}.tmp").write_text("{")
    run(mosaic, tmp_path, Darkness())
    assert not (tmp_path / "m_work").exists() and (tmp_path / "m_mask.tif").exists()


def stopping_at(number: int):
    """``os.replace`` with a Ctrl-C before that file of the results."""
    real, count = os.replace, itertools.count()

    def replace(source: Path, target: Path) -> None:
        if Path(target).name.startswith("m_") and next(count) == number:
            raise KeyboardInterrupt
        real(source, target)

    return mock.patch.object(os, "replace", replace)


@pytest.mark.parametrize("number", range(4))
def test_results_of_two_runs_never_pass_as_one(number: int, mosaic: Path, tmp_path: Path) -> None:
    """Stopped while old results are replaced, it goes on, and all of them are of the new mosaic."""
    options = ["predict.py", "m.tif", "--probability"]
    run(mosaic, tmp_path, Darkness())
    write_mosaic(mosaic, picture((200, 240), LINES[:1]))
    with stopping_at(number), mock.patch.object(sys, "argv", options), pytest.raises(KeyboardInterrupt):
        run(mosaic, tmp_path, Darkness(), overwrite=True)
    assert not (tmp_path / "m_mask.tif").exists(), "nothing says that all is there"
    run(mosaic, tmp_path, Darkness(), resume=True)
    assert len(json.loads((tmp_path / "m_cracks.geojson").read_text())["features"]) == 1
    run(mosaic, tmp_path / "whole", Darkness())
    for name in ("m_mask.tif", "m_probability.tif"):
        assert np.array_equal(values(tmp_path / name), values(tmp_path / "whole" / name))
    assert not (tmp_path / "m_work").exists()


def test_stopped_before_its_folder_was_removed_it_is_not_done(mosaic: Path, tmp_path: Path) -> None:
    """As after an --overwrite run with the same options: earlier results with the same record are still there."""
    run(mosaic, tmp_path, Darkness())
    before = (tmp_path / "m_cracks.gpkg").stat().st_mtime_ns
    run(mosaic, tmp_path, Darkness(), resume=True)
    assert (tmp_path / "m_cracks.gpkg").stat().st_mtime_ns == before, "done: left alone"
    options = ["predict.py", "m.tif"]
    keep = mock.patch.object(Work, "keep", side_effect=KeyboardInterrupt)
    with keep, mock.patch.object(sys, "argv", options), pytest.raises(KeyboardInterrupt):
        run(mosaic, tmp_path, Darkness(), overwrite=True)
    run(mosaic, tmp_path, Darkness(), resume=True)
    assert (tmp_path / "m_cracks.gpkg").stat().st_mtime_ns > before and not (tmp_path / "m_work").exists()


def test_a_corrected_place_is_no_resumed_one(tmp_path: Path) -> None:
    """A world file beside the mosaic moves it, without a byte of it changed; a mask shows less of it."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, picture((200, 240), LINES), photometric="rgb")
    world = tmp_path / "m.tfw"
    world.write_text("0.005\n0\n0\n-0.005\n500000\n5000000\n")
    run(path, tmp_path / "out", Darkness())
    world.write_text("0.005\n0\n0\n-0.005\n500100\n5000000\n")
    assert "made of another mosaic or with other" in error_of(run, path, tmp_path / "out", Darkness(), resume=True)
    run(path, tmp_path / "out", Darkness(), resume=True, overwrite=True)
    with rasterio.open(tmp_path / "out" / "m_mask.tif") as file:
        assert file.transform.c == pytest.approx(500099.9975)
    work = Work(tmp_path / "begun" / "m_work")
    with rasterio.open(tmp_path / "out" / "m_mask.tif") as file:
        record = json.loads(file.tags()["MADE_WITH"])
    work.begin(record, False, False)
    shape = {"driver": "GTiff", "height": 200, "width": 240, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "m.tif.msk", "w", **shape) as file:
        file.update_tags(INTERNAL_MASK_FLAGS_1="2")
    message = error_of(run, path, tmp_path / "begun", Darkness(), resume=True)
    assert "was begun with no data and masks" in message


def test_another_runtime_is_told_by_its_name(mosaic: Path, tmp_path: Path) -> None:
    settings = Settings(out=tmp_path, restore="never", resume=True)
    with gdal(), opened(mosaic) as file:
        one = Run(file, settings, True, source_of(Darkness()), ALONE)
        one.work.begin(one.made_with(), False, False)
        other = Run(file, settings, True, replace(source_of(Darkness()), runtime="openvino"), ALONE)
        assert "was begun with --runtime torch, not openvino" in error_of(other.check, [mosaic])


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_a_geopackage_that_is_open_elsewhere_is_not_replaced(ending: str, mosaic: Path, tmp_path: Path) -> None:
    run(mosaic, tmp_path, Darkness())
    (tmp_path / f"m_cracks.gpkg{ending}").write_text("changes")
    before = contents(tmp_path)
    assert "close m_cracks.gpkg in QGIS" in error_of(run, mosaic, tmp_path, Darkness(), overwrite=True)
    assert contents(tmp_path) == before


def test_files_are_on_the_disk_before_they_get_their_names(mosaic: Path, tmp_path: Path) -> None:
    real, done = os.fsync, []

    def fsync(number: int) -> None:
        done.append(os.fstat(number).st_ino)
        real(number)

    with mock.patch.object(os, "fsync", fsync):
        run(mosaic, tmp_path, Darkness())
    for name in ("m_mask.tif", "m_probability.tif", "m_cracks.gpkg", "m_cracks.geojson"):
        assert (tmp_path / name).stat().st_ino in done


def test_parts_of_a_crack_are_one_line_and_have_no_number_of_their_own(mosaic: Path, tmp_path: Path) -> None:
    long = [([(900.0, 30.0), (1150.0, 30.0)], 5.0), ([(20.0, 30.0), (90.0, 30.0)], 4.0)]
    write_mosaic(mosaic, picture((60, 1200), long))  # across the border of two blocks
    settings = Settings(out=tmp_path, restore="never", tile=64, overlap=16)
    with gdal(), opened(mosaic) as file:
        done = Run(file, settings, False, source_of(Darkness()), ALONE)
        done.wanted = replace(done.wanted, limits=Limits(direct=0, area=300))
        told = done.write(done.find(), {})
    assert (told.cracks, told.lines) == (2, 2) and told.split > 0
    features = json.loads((tmp_path / "m_cracks.geojson").read_text())["features"]
    numbers = [one["id"] for one in features if "id" in one]
    assert len(features) > 2 and len(set(numbers)) == len(numbers)
