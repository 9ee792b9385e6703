"""Pictures never cost a result: photographs of odd shapes, pictures that fail, disks that are full."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.evaluate.pictures import drawn
from engine.runtime.experiment import put_in_place, staging_for
from tests.helpers.folders import contents, full_after, write_photographs
from tests.helpers.run_records import experiment, log_of
from tests.helpers.runs import TRAIN, assert_error, run_here, run_well, tiny, train_here
from tracking.tracker import Tracker
from tracking.wandb_sink import WandbSettings

SHAPES = {"low": (40, 400), "narrow": (400, 40), "small": (36, 36)}


def test_a_picture_that_fails_is_told_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    grey = np.zeros((2, 2, 3), np.uint8)
    made = drawn({"first": lambda: grey, "second": lambda: np.zeros(-1), "third": lambda: grey + 1})
    assert list(made) == ["first", "third"]
    printed = capsys.readouterr().out
    assert (
        printed == "picture second left out, as it cannot be drawn (ValueError: negative dimensions are not allowed)\n"
    )


def test_training_and_evaluation_of_elongated_photographs(tmp_path: Path) -> None:
    data = write_photographs(tmp_path / "mine", SHAPES)
    changes = [f"datasets:{part}={{type: folder, root: {data}}}" for part in ("val", "test")]
    options = tiny(tmp_path, "train:total_iter=1", "val:val_freq=1", "logger:pictures=3", *changes)
    train_here(options)
    assert any("val/degraded/dice" in entry for entry in log_of(tmp_path))
    assert len(list(experiment(tmp_path).folder.glob("visualization/val/degraded/**/*.png"))) == 3
    run_well("evaluate.py", "--force_yml", "evaluation:panels=3", cwd=tmp_path)
    results = experiment(tmp_path).results
    assert json.loads((results / "results.json").read_text())["degraded"]["images"] == 3
    panels = list(results.glob("*/panel_*.png"))
    assert len(panels) == 3 * 3
    for path in panels:
        with Image.open(path) as image:
            assert min(image.size) >= 100


# -- a full disk ----------------------------------------------------------------------------------


def test_figures_are_there_though_the_disk_has_no_room_for_pictures(tiny_weights: Path, tmp_path: Path) -> None:
    command = ["evaluate.py", "--weights", tiny_weights, "--out", "out", "--force_yml", "evaluation:panels=2"]
    run_well(*command, cwd=tmp_path)
    before = contents(tmp_path / "out")
    largest = max(len(data) for name, data in before.items() if not name.endswith(".png"))
    with full_after(largest + 1000):
        outcome = run_here(*command, cwd=tmp_path)
    lines = [line for line in outcome.out.splitlines() if line.startswith("picture left out")]
    assert outcome.code == 0 and len(lines) == 2, outcome  # in the results, and what is tracked
    assert "(and " in lines[0] and "out_new_" in lines[0] and "out/tracking" in lines[1]
    (earlier,) = tmp_path.glob("out_archived_*")
    assert contents(earlier) == before
    after = contents(tmp_path / "out")
    assert after["per_image.csv"] == before["per_image.csv"] and "results.json" in after
    assert len([*(tmp_path / "out").rglob("*.png")]) < len([*earlier.rglob("*.png")])
    assert not [name for name in after if name.endswith(".tmp")] and not list(tmp_path.glob("out_new_*"))


def test_earlier_results_stay_if_the_new_ones_find_no_room(tiny_weights: Path, tmp_path: Path) -> None:
    command = ["evaluate.py", "--weights", tiny_weights, "--out", "out"]
    run_well(*command, cwd=tmp_path)
    before = contents(tmp_path)
    with full_after(200):
        outcome = run_here(*command, cwd=tmp_path)
    assert_error(outcome, "results.json: cannot be written", "make room")
    assert contents(tmp_path) == before and sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_training_goes_on_without_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracker = Tracker(tmp_path, {}, WandbSettings(mode="disabled"), "tiny")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with full_after(2000):
        tracker.images({"val/a": noise, "val/b": noise[:8, :8]}, 3)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "val/a/00000003.png: cannot be written" in printed
    assert [path.name for path in tmp_path.rglob("*.png*")] == ["00000003.png"]
    tracker.finish()


def test_a_full_disk_ends_a_training_in_one_line(tmp_path: Path) -> None:
    with full_after(20_000):
        outcome = run_here(*TRAIN, "train:total_iter=1", cwd=tmp_path)
    assert_error(outcome, "models/latest.pth: cannot be written", "make room")
    assert not list(tmp_path.rglob("*.tmp"))


# -- the folder of results ------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
def test_an_empty_folder_is_written_to_itself(there: bool, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    if there:
        folder.mkdir()
    assert staging_for(folder) == folder and put_in_place(folder, folder) is None
    assert folder.exists() == there


def test_new_content_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir(mode=0o755)
    (folder / "old").write_text("old")
    staging = staging_for(folder)
    (staging / "new").write_text("new")
    assert (folder / "old").exists() and staging.parent == tmp_path and staging.stat().st_mode == folder.stat().st_mode
    moved = put_in_place(staging, folder)
    assert contents(folder) == {"new": b"new"} and contents(moved) == {"old": b"old"}
    assert sorted(tmp_path.iterdir()) == sorted([folder, moved])
