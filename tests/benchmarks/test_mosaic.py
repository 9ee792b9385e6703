"""The benchmark of mosaics draws what it says, and measures memory."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

from benchmarks.mosaic import Watch, draw, main
from tests.helpers.errors import exit_line


def test_a_small_mosaic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--gigapixels", "0.004", "--folder", str(tmp_path / "b"), "--keep"])
    out = capsys.readouterr().out
    assert re.search(r"^\d+ cracks, 0\.0\d+ million px long; 0 split$", out, re.MULTILINE)
    rows = re.findall(r"^\| (drawing it|tiles|results) \| \d+ \| \d+ \| (\d+) \| (\d+) \|$", out, re.MULTILINE)
    assert len(rows) == 3 and all(100 < int(private) < int(resident) for _, resident, private in rows)
    assert {path.name for path in (tmp_path / "b").iterdir()} >= {"mosaic.tif", "mosaic_mask.tif", "mosaic_cracks.gpkg"}


def test_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.mosaic.RIM", 0.4)  # without pixels are whole blocks
    draw(tmp_path / "m.tif", 3000)
    with rasterio.open(tmp_path / "m.tif") as file:
        values = file.read(1)
    assert (values[:1024] == 0).all() and 0.001 < (values[1100:1900, 1100:1900] < 100).mean() < 0.05


def test_the_watch_sees_the_most() -> None:
    with Watch() as before:
        pass
    block = mmap.mmap(-1, 200 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with Watch() as during, block:
        np.frombuffer(block, np.uint8)[:] = 1
        during._over.wait(0.3)
        high = during.highest.private
    assert 190 < high - before.highest.private < 250


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--gigapixels 0" in exit_line(lambda: main(["--gigapixels", "0"]), capsys)
    assert "exists" in exit_line(lambda: main(["--folder", str(tmp_path)]), capsys)
