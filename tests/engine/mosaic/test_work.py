"""The work folder of a mosaic: what of it is the program's, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.darkness import Darkness
from engine.mosaic.work import RECORD, Work
from tests.engine.mosaic.test_rasters import run
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
