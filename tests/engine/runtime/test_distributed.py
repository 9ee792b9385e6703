"""Evaluation and prediction shared out between the processes of torchrun: the same results as by one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from engine.runtime.distributed import ALONE, ProcessGroup
from tests.helpers.folders import contents, write_photographs
from tests.helpers.processes import on_two_processes
from tests.helpers.runs import TRAIN, run_here, run_well

CHANGES = [
    "train:total_iter=1", "datasets:test:count=5", "evaluation:panels=3", "evaluation:draws=2", "evaluation:maps=true",
    "evaluation:threshold=validation",
]  # fmt: skip
SECONDS = "seconds"


@pytest.mark.slow
def test_two_processes_evaluate_like_one(tmp_path: Path) -> None:
    run_well(*TRAIN, *CHANGES, cwd=tmp_path)
    one = run_here("evaluate.py", "--out", "one", cwd=tmp_path)
    two = on_two_processes("evaluate.py", "--out", "two", cwd=tmp_path)
    assert one.code == two.code == 0, two.err
    assert two.out.count("evaluating") == 1 and "shared by 2 processes" in two.out
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("one", "two")]
    for found in results:
        found["meta"].pop(SECONDS)
        found["meta"].pop("inference")  # times, memory
    assert results[0] == results[1] and results[0]["degraded"]["images"] == 5
    rows = [list(csv.reader((tmp_path / name / "per_image.csv").open())) for name in ("one", "two")]
    assert rows[0] == rows[1]
    assert [row[1:4] for row in rows[0] if row[:2] == ["model", "degraded"]][5][1:] == [
        rows[0][1][2],
        "1",
    ]  # then draw 1
    maps = [sorted(path.name for path in (tmp_path / name / "maps").rglob("*.png")) for name in ("one", "two")]
    assert maps[0] == maps[1] and len(maps[0]) == 15
    files = [contents(tmp_path / name) for name in ("one", "two")]
    pictures = [{path: data for path, data in held.items() if path.endswith(".png")} for held in files]
    assert pictures[0] == pictures[1] and pictures[0]


@pytest.mark.slow
def test_two_processes_predict_like_one(tmp_path: Path) -> None:
    photographs = write_photographs(tmp_path / "mine", {"a": (40, 48), "b": (33, 50), "c": (64, 32)}) / "images"
    run_well(*TRAIN, *CHANGES, cwd=tmp_path)
    run_well("predict.py", photographs, "-o", "one", cwd=tmp_path)
    two = on_two_processes("predict.py", photographs, "-o", "two", cwd=tmp_path)
    assert two.code == 0, two.err
    assert contents(tmp_path / "one") == contents(tmp_path / "two") and len(contents(tmp_path / "one")) > 3


def test_shares_are_all_the_work() -> None:
    items = list(range(7))
    groups = [ProcessGroup(rank, 3) for rank in range(3)]
    assert sorted(item for group in groups for item in group.of(items)) == items
    for group in groups:
        assert [group.position(own) for own in range(len(group.of(items)))] == list(group.of(items))
    assert ALONE.of(items) == items and ALONE.gather("x") == ["x"] and ALONE.first
