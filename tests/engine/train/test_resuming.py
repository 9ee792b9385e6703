"""--auto_resume goes on with the photographs that a training was begun with, wherever they lie, and with no others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contracts.errors import UserError
from engine.options import Options
from tests.helpers.folders import contents, write_photographs
from tests.helpers.run_records import assert_same_run, experiment, load
from tests.helpers.runs import assert_error, run_here, tiny, train_here

SIZES = {f"photo_{number}": (64, 64) for number in range(6)}


def options_of(folder: Path, steps: int, *changes: str, root: Path | None = None) -> Options:
    data = f"datasets:train={{type: folder, root: {root or folder / 'photos'}, crop: 32, batch_size: 2, workers: 0}}"
    return tiny(folder, data, f"train:total_iter={steps}", "loss:alpha={schedule: constant}", *changes)


def add(root: Path) -> None:
    write_photographs(root, {"new": (64, 64)})


def remove(root: Path) -> None:
    for kind in ("images", "masks"):
        (root / kind / "photo_3.png").unlink()


def redraw(root: Path) -> None:
    """A mask of another crack, in a file of the same size."""
    path = root / "masks" / "photo_2.bmp"
    size = path.stat().st_size
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 20] = 255
    Image.fromarray(mask).save(path)
    assert path.stat().st_size == size


def as_bitmap(root: Path) -> None:
    path = root / "masks" / "photo_2.png"
    Image.open(path).save(path.with_suffix(".bmp"))
    path.unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add, r"6 then, 7 now: 1 added \(new\)"),
        (remove, r"6 then, 5 now: 1 removed \(photo_3\)"),
        (redraw, r"6 then, 6 now: 1 changed \(photo_2\)"),
    ],
)
def test_other_photographs_are_refused_by_name(change: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "photos", SIZES)
    as_bitmap(root)
    train_here(options_of(tmp_path, 1))
    before = contents(tmp_path / "experiments")
    change(root)
    with pytest.raises(
        UserError, match=rf"^--auto_resume: .*was trained on other photographs \({message}\); put those"
    ):
        train_here(options_of(tmp_path, 2), auto_resume=True)
    assert contents(tmp_path / "experiments") == before


def test_photographs_that_were_moved_are_the_same(tmp_path: Path) -> None:
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    for folder in (whole, moved):
        write_photographs(folder / "photos", SIZES)
    train_here(options_of(whole, 2))
    train_here(options_of(moved, 1))
    shutil.move(moved / "photos", moved / "elsewhere")
    train_here(options_of(moved, 2, root=moved / "elsewhere"), auto_resume=True)
    for file in (experiment(whole).state, experiment(moved).state):
        state = load(file)
        assert state["step"] == 2 and list(state["photographs"]["train"]) == list(SIZES)
    train_here(options_of(whole, 3))  # moved aside and begun again: what was trained at one go
    train_here(options_of(moved, 3, root=moved / "elsewhere"), auto_resume=True)
    assert_same_run(whole, moved)


def test_other_photographs_to_validate_with_are_refused(tmp_path: Path) -> None:
    write_photographs(tmp_path / "photos", SIZES)
    write_photographs(tmp_path / "val", {"v": (64, 64)})
    val = f"datasets:val={{type: folder, root: {tmp_path / 'val'}}}"
    train_here(options_of(tmp_path, 1, val, "val:val_freq=1"))
    write_photographs(tmp_path / "val", {"w": (64, 64)})
    with pytest.raises(UserError, match=r"was validated with other photographs \(1 then, 2 now: 1 added \(w\)\)"):
        train_here(options_of(tmp_path, 2, val, "val:val_freq=1"), auto_resume=True)


def test_the_command_line_refuses_in_one_line(tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "photos", SIZES)
    options = options_of(tmp_path, 1)
    train_here(options)
    add(root)
    saved = experiment(tmp_path).options
    shutil.copy(saved, tmp_path / "mine.yml")
    command = ["train_joint.py", "-opt", "mine.yml", "--auto_resume", "--force_yml", "train:total_iter=2"]
    assert_error(run_here(*command, cwd=tmp_path), "--auto_resume", "1 added (new)", "another name")


def test_a_state_that_kept_no_names_is_compared_as_a_whole(tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "photos", SIZES)
    train_here(options_of(tmp_path, 1))
    state = load(experiment(tmp_path).state)
    del state["photographs"]
    torch.save(state, experiment(tmp_path).state)
    add(root)
    with pytest.raises(UserError, match="trained on other photographs .7 now; the state is too old to say more"):
        train_here(options_of(tmp_path, 2), auto_resume=True)
    for kind in ("images", "masks"):
        (root / kind / "new.png").unlink()
    train_here(options_of(tmp_path, 2), auto_resume=True)
    assert load(experiment(tmp_path).state)["step"] == 2


def test_the_share_held_out_is_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photographs(tmp_path / "photos", SIZES)
    changes = ["datasets:val=null", "datasets:train:holdout=0.34", "val:val_freq=1"]
    train_here(options_of(tmp_path, 1, *changes))
    photographs = load(experiment(tmp_path).state)["photographs"]
    assert sorted([*photographs["train"], *photographs["val"]]) == list(SIZES)
    train_here(options_of(tmp_path, 1, "datasets:val=null", "datasets:train:holdout=0.000001", "val:val_freq=1"))
    assert capsys.readouterr().out.count("none is held out") == 1
