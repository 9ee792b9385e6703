"""Learning curves: read from logs by hand and of a real training, drawn, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import UserError
from engine.runtime.checkpoint import load_file
from tests.helpers.run_records import experiment
from tests.helpers.runs import tiny, train_here
from tools.curves import main, read_line
from visualization.lines import lines

METRIC = "val/degraded/aiu"


def log(folder: Path, rows: list[dict]) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps({"time": 0.0, **row}) + "\n" for row in rows))
    return folder


def test_lines_are_those_of_the_log(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "train/loss": 1.0, "train/seconds": 2.0},
        {"step": 10, METRIC: 0.2, "train/seconds": 1800.0, "train/multiply_adds": 2e12},
        {"step": 20, METRIC: 0.5, "train/seconds": 7200.0, "train/multiply_adds": 4e12},
    ]
    folder = log(tmp_path / "a", rows)
    for over, expected in (("hours", [0.5, 2.0]), ("multiply_adds", [2.0, 4.0]), ("steps", [10.0, 20.0])):
        positions, values = read_line(folder, METRIC, over)
        assert positions.tolist() == expected and values.tolist() == [0.2, 0.5]


def test_a_training_tells_what_it_cost_until_each_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_here(tiny(tmp_path, "train:total_iter=4", "val:val_freq=2"))
    folder = experiment(tmp_path).folder
    cost = load_file(experiment(tmp_path).latest)["meta"]["compute"]
    positions, _ = read_line(folder, METRIC, "multiply_adds")
    assert positions.tolist() == pytest.approx([cost["multiply_adds"] / 2e12, cost["multiply_adds"] / 1e12])
    seconds = 3600 * read_line(folder, METRIC, "hours")[0]
    assert 0 < seconds[0] < seconds[1] == pytest.approx(cost["seconds"], abs=0.06)
    main([f"ours={folder},{folder}", "--out", str(tmp_path / "curves.png"), "--over", "steps"])
    assert "ours: best val/degraded/aiu" in capsys.readouterr().out
    with pytest.raises(UserError, match="exists"):
        main([f"ours={folder}", "--out", str(tmp_path / "curves.png")])


def test_several_trainings_are_a_mean_in_a_band() -> None:
    x = np.array([1.0, 2.0, 3.0])
    flat = lines({"a": [(x, x), (x, x)]}, "h", "v")
    band = lines({"a": [(x, x - 1), (x, x + 1)]}, "h", "v")
    assert flat.shape == band.shape and (flat != band).any()
    uneven = lines({"a": [(x, x), (x[:2], x[:2])]}, "h", "v")  # drawn as far as both go
    assert (uneven != flat).any()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no metrics.jsonl with entries"),
        ([{"step": 1, "train/loss": 1.0}], "did not validate; set val.val_freq"),
        ([{"step": 1, "val/hr/aiu": 1.0}], "there are val/hr/aiu"),
        ([{"step": 1, METRIC: 1.0}], "give --over steps"),
    ],
)
def test_logs_without_it_are_named(rows: list[dict], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_line(log(tmp_path / "a", rows), METRIC, "hours")


@pytest.mark.parametrize("curve", ["a", "a=", "=b"])
def test_curves_of_another_form_are_refused(curve: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="LABEL=FOLDER"):
        main([curve, "--out", str(tmp_path / "x.png")])
