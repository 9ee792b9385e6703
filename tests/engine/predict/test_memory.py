"""Photographs of any size are read, and those that no machine holds are left out before they are."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from data.images import read_photograph
from engine.predict.memory import free_gigabytes, refuse_too_large
from engine.predict.plan import Job
from tests.helpers.runs import assert_error, run_here

MEMINFO = "MemTotal:  32000000 kB\nMemAvailable:   4000000 kB\nSwapFree: 1000000 kB\nHugePages_Total:  0\n"


def container(folder: Path, most: str) -> Path:
    folder.mkdir()
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text("1500000000\n")
    (folder / "memory.stat").write_text("anon 1\ninactive_file 500000000\n")
    return folder


def test_what_is_free(tmp_path: Path) -> None:
    """5 million kB; of a container's 4 GB 1.5 are used, of which files take 0.5."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "odd").write_text("MemFree: x kB\n")
    assert free_gigabytes(tmp_path / "meminfo", tmp_path / "absent") == pytest.approx(5.12)
    assert free_gigabytes(tmp_path / "meminfo", container(tmp_path / "a", "4000000000")) == pytest.approx(3)
    assert free_gigabytes(tmp_path / "meminfo", container(tmp_path / "b", "max")) == pytest.approx(5.12)
    assert free_gigabytes(tmp_path / "odd", tmp_path / "absent") is None


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")
def test_this_machine_tells_less_than_it_has() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    assert 0 < (free_gigabytes() or 0) < 3 * total  # swap


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")
def test_restoring_needs_more() -> None:
    side = round(((free_gigabytes() or 0) / 0.02 / 8 * 1e6) ** 0.5)  # an eighth of it, and restored twice as much
    job = Job(Path("a.png"), (side, side), None, {})
    refuse_too_large(job, 4)
    with pytest.raises(
        UserError, match=rf"a\.png: {side}x{side} pixels need .* GB, and .* are free; .*--restore never"
    ):
        refuse_too_large(Job(job.path, job.size, True, {}), 4)


def vast(path: Path) -> None:
    """A PNG file that says it has 10^12 pixels, in 57 bytes."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 10**6, 10**6, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")
def test_a_photograph_that_no_machine_holds_does_not_stop_the_others(work: Path, tiny_weights: Path) -> None:
    vast(work / "mine" / "images" / "0.png")
    command = ["predict.py", "mine/images", "--restore", "never", "--weights", tiny_weights]
    outcome = run_here(*command, cwd=work)
    assert_error(outcome, "1 of 5 photographs left out: ", "0.png: 1000000x1000000 pixels need 20000.0 GB")
    assert len(list((work / "results").glob("*_mask.png"))) == 4


@pytest.mark.slow
def test_above_the_limit_of_other_programs(tmp_path: Path) -> None:
    """Pillow refuses more than 179 megapixels unless it is told otherwise."""
    assert Image.MAX_IMAGE_PIXELS is None
    Image.new("L", (20000, 9100), 7).save(tmp_path / "a.png", compress_level=1)
    photo = read_photograph(tmp_path / "a.png")
    assert photo.pixels.shape == (9100, 20000, 3) and np.unique(photo.pixels[::100]).tolist() == [7]


def test_measuring_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 megapixels 2 GB to segment and 3 to measure, where 4 are free."""
    monkeypatch.setattr("engine.predict.memory.free_gigabytes", lambda: 4.0)
    job = Job(Path("a.png"), (10_000, 10_000), False, {})
    refuse_too_large(job, 4)
    with pytest.raises(UserError, match=r"need 5.0 GB, and 4.0 are free; leave the measuring out, cut it into parts"):
        refuse_too_large(job, 4, measures=True)
