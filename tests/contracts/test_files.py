"""Files are written whole or not at all: on a full disk, in the middle of an error, through a link."""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.growth import Curve, plot
from benchmarks.table import write_json
from contracts.files import Appended, Unwritable, replacing, write_bytes, write_rows, write_table, write_text
from degradations.frozen import write_frozen
from engine.runtime.checkpoint import save_atomic
from tests.helpers.folders import contents, full_after
from tests.helpers.source_files import FILES, ROOT
from tracking.metrics_log import MetricsLog, read_metrics
from visualization.charts import bars
from visualization.drawing import save_png

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
CURVE = Curve("x", "px", (1, 2), (1.0, 2.0), 1.0, 1.0)
WRITERS: dict[str, Callable[[Path], object]] = {
    "a.bin": lambda path: write_bytes(path, bytes(5000)),
    "a.txt": lambda path: write_text(path, "x" * 5000),
    "a.csv": lambda path: write_table(path, [{"name": "x" * 100}] * 50),
    "rows.csv": lambda path: write_rows(path, (("x", "1 2 " * 50) for _ in range(30))),
    "a.png": lambda path: save_png(path, NOISE),
    "weights.pth": lambda path: save_atomic({"model": {}, "noise": NOISE.tobytes().hex()}, path),
    "chart.png": lambda path: bars({"clean": [0.5]}, ["IoU"], path),
    "growth.png": lambda path: plot([CURVE], "x", path),
    "measured.json": lambda path: write_json(path, {"x": "x" * 5000}),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("before", [b"what was there", None])
def test_on_a_full_disk_nothing_is_half_written(name: str, before: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    if before is not None:
        path.write_bytes(before)
    with full_after(1000), pytest.raises(Unwritable, match=rf"{re.escape(str(path))}: cannot be written \(.+\); make"):
        WRITERS[name](path)
    assert contents(tmp_path) == ({} if before is None else {name: before})
    WRITERS[name](path)
    assert [*contents(tmp_path)] == [name] and path.stat().st_size > 1000


def test_ctrl_c_at_any_line_leaves_nothing_half_written(tmp_path: Path) -> None:
    code = replacing.__wrapped__.__code__  # type: ignore[attr-defined]

    def interrupted_at(number: int) -> bool:
        """Write a file with a Ctrl-C at the ``number``-th line that ``replacing`` runs, if it runs so many."""
        remaining = number

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal remaining
            if event == "line" and frame.f_code is code:
                remaining -= 1
                if remaining == 0:
                    raise KeyboardInterrupt
            return trace if frame.f_code is code else None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            write_bytes(tmp_path / "a.bin", b"whole")
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    number = 1
    while interrupted_at(number):
        assert contents(tmp_path) in ({}, {"a.bin": b"whole"}), number
        number += 1
    assert number > 7 and contents(tmp_path) == {"a.bin": b"whole"}


def test_a_frozen_set_on_a_full_disk(tmp_path: Path) -> None:
    items = [(f"{index}", NOISE, np.ones((3, 3)), {}) for index in range(3)]
    with full_after(1000), pytest.raises(Unwritable, match=r"0\.png: cannot be written"):
        write_frozen(tmp_path / "set", items, {"seed": 0, "steps": [], "scale": 4})
    assert [*tmp_path.iterdir()] == []


def test_an_error_in_between_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def rows() -> Iterator[tuple[str]]:
        yield ("one",)
        raise KeyboardInterrupt

    for interrupted in (lambda: write_rows(path, rows()), lambda: _write_and_stop(path)):
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert contents(tmp_path) == {"a.txt": b"before"}


def _write_and_stop(path: Path) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_through_a_link_and_into_new_folders(tmp_path: Path) -> None:
    real, link = tmp_path / "disk" / "a.csv", tmp_path / "link.csv"
    link.symlink_to(real)
    write_rows(link, [("a,b", "1")])
    assert link.is_symlink() and real.read_text() == '"a,b",1\n'
    write_text(tmp_path / "new" / "folder" / "a.txt", "x")
    assert (tmp_path / "new" / "folder" / "a.txt").read_text() == "x"


def test_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unwritable, match="file/a.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "y")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unwritable, match="folder: cannot be written"):
        write_text(tmp_path / "folder", "y")
    assert contents(tmp_path) == {"file": b"x"}


def test_tables_and_names_that_are_no_text(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_table(tmp_path / "a.csv", [{"name": name, "iou": 0.5}, {"name": "b", "dice": None}])
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["name", "iou", "dice"], ["caf\\xe9.jpg", "0.5", ""], ["b", "", ""]]
    write_text(tmp_path / "a.json", json.dumps({"name": name}))
    assert json.loads((tmp_path / "a.json").read_text())["name"] == name


def test_runs_for_programs_are_written_as_given(tmp_path: Path) -> None:
    """Competitions compare the name in the first column with their own."""
    write_rows(tmp_path / "a.csv", [("-a", "1 2"), ("=b", "")])
    assert (tmp_path / "a.csv").read_text() == "-a,1 2\n=b,\n"


def test_a_log_on_a_full_disk_names_itself_and_keeps_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    with full_after(200), pytest.raises(Unwritable, match=r"metrics\.jsonl: cannot be written"):
        for step in range(100):
            log.append({"loss": 1.0}, step)
    log.close()
    kept = len(read_metrics(path))
    assert 1 <= kept < 10 and path.stat().st_size == 200  # the last line is half a line
    with_more = MetricsLog(path)  # what a resumed run does first
    with_more.append({"loss": 2.0}, 50)
    assert [entry["step"] for entry in read_metrics(path)] == [*range(kept), 50]


def test_lines_are_there_at_once(tmp_path: Path) -> None:
    file = Appended(tmp_path / "a" / "log")
    file.line("one")
    assert (tmp_path / "a" / "log").read_bytes() == b"one\n"
    file.close()
    file.close()


def test_a_picture_is_what_it_was(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", NOISE)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), NOISE)


OWN_WAYS = {  # throw-away files; the kernel's; a lock is taken over in place; the output of processes
    "contracts/files.py",
    "benchmarks/loading.py",
    "benchmarks/memory.py",
    "engine/runtime/lock.py",
    "benchmarks/mosaic.py",
    "benchmarks/photograph.py",
    "engine/serve/report.py",  # pages into a PDF that is a stream
    "engine/mosaic/rasters.py",  # GDAL writes into the work folder; results are renamed into place
    "tools/gpu_check/processes.py",
    "tracking/wandb_sink.py",  # run.save: W&B copies files
}
STREAMS = {"file", "content", "target", "buffer"}  # what is written to where a library takes a path or a stream


def writes_a_path(call: ast.Call) -> bool:
    """Whether a call opens a file to write it, by itself or by a library."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name == "open":
        modes = (node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str))
        return any(set(mode) & set("wax+") and len(mode) <= 3 for mode in modes)
    if not isinstance(call.func, ast.Attribute):
        return False
    if name in ("save", "savez", "savez_compressed", "savefig", "dump"):
        streams = {node.id for node in given if isinstance(node, ast.Name)}
        return not streams & {*STREAMS, "log"}  # Trainer.save(log) writes by save_atomic
    return name in ("write_text", "write_bytes", "imwrite", "to_csv", "tofile")


def test_nothing_else_opens_files_to_write() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if str(path.relative_to(ROOT)) not in OWN_WAYS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and writes_a_path(node)
    ]
    assert found == []
