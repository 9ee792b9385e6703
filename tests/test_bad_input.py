"""Bad input: exit code 2, one line that names the thing and the repair, nothing overwritten."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import run_main
from tests.helpers.errors import exit_line
from tests.helpers.folders import contents, write_photographs
from tests.helpers.processes import finish, start
from tests.helpers.runs import ROOT, TRAIN, assert_error, run_here

SIZES = {"a": (40, 48), "b": (40, 48), "c": (40, 48)}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder with photographs and an earlier experiment and results, which are to stay."""
    write_photographs(tmp_path / "mine", SIZES)
    for name in ("experiments/tiny/models/latest.pth", "experiments/tiny/options.yml", "results/a_mask.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("earlier")
    return tmp_path


def assert_refused(work: Path, parts: list[str], script: str, *arguments: object) -> None:
    """The script ends with such an error and leaves the folder as it was."""
    before = contents(work)
    assert_error(run_here(script, *arguments, cwd=work), *parts)
    assert contents(work) == before


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (["train:total_itre=5"], ["train.total_itre", "unknown option", "'total_iter'"]),
        (["network_sr:widht=8"], ["network_sr.widht", "unknown option", "'width'"]),
        (["network_sr:width=wide"], ["network_sr.width", "integer", "'wide'"]),
        (["network_sr:scale=4"], ["network_sr.scale", "unknown option"]),
        (["network_sr:type=kpbn"], ["network_sr.type", "'kpbn'", "'kbpn'"]),
        (["network_seg:type=unett"], ["network_seg.type", "'unett'", "choose one of"]),
        (["network_seg:encoder=resnet9"], ["'resnet9'"]),
        (["loss:segmentation:type=boundary"], ["loss.segmentation", "'boundary'", "boundary_combo"]),
        (["degradation:preset=kondo"], ["'kondo'", "kondo_ukita"]),
        (["degradation={preset: null, steps: [{type: blurr}]}"], ["degradation", "'blurr'", "'blur'"]),
        (["train:stages=[{name: joint}, {name: seg}]"], ["train.stages.0, train.stages.1", "iterations or fraction"]),
        (["train:stages=[{name: joint, iterations: 9}]"], ["train.stages", "9 steps", "total_iter is 6"]),
        (["network_sr:weights=no.pth"], ["network_sr.weights", "no.pth", "train first"]),
        (["network_seg:pretrained=no.pth"], ["no.pth"]),
        (["train:teacher=no.pth", "loss:teacher_weight=1"], ["train.teacher", "no.pth"]),
        (["joint:handover=true", "network_sr={type: bicubic}"], ["joint.handover: ", "kbpn"]),
    ],
)
def test_options_that_cannot_be(work: Path, changes: list[str], parts: list[str]) -> None:
    assert_refused(work, parts, *TRAIN, *changes)


@pytest.mark.parametrize("script", ["train_joint.py", "evaluate.py"])
def test_options_file_that_is_missing_or_none(work: Path, script: str) -> None:
    assert_refused(work, ["options/jiont.yml", "does not exist"], script, "-opt", "options/jiont.yml")
    photo = "mine/images/a.png"
    assert_refused(work, [photo, "options/joint.yml"], script, "-opt", photo)


# -- photographs to train and evaluate on ---------------------------------------------------------


def no_folder(root: Path) -> list[str]:
    root.rename(root.with_name("theirs"))
    return ["no folder", "mine"]


def no_images(root: Path) -> list[str]:
    for path in (root / "images").iterdir():
        path.unlink()
    return ["no image", "images"]


def other_layout(root: Path) -> list[str]:
    (root / "images").rename(root / "photos")
    return ["mine", "images/ + masks/"]


def no_mask(root: Path) -> list[str]:
    (root / "masks" / "b.png").unlink()
    return ["b.png", "no mask", "add the mask"]


def other_size(root: Path) -> list[str]:
    Image.new("L", (50, 40)).save(root / "masks" / "b.png")
    return ["b.png", "differ in size", "48x40", "50x40", "export the mask"]


def unreadable(root: Path) -> list[str]:
    (root / "images" / "b.png").write_text("not a picture")
    return ["b.png", "cannot read", "replace or remove"]


def truncated(root: Path) -> list[str]:
    for name in SIZES:
        path = root / "images" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:2000])
    return [".png", "cannot read", "replace or remove"]


BROKEN = [no_folder, no_images, other_layout, no_mask, other_size, unreadable, truncated]


def folder(part: str) -> str:
    more = ", batch_size: 2, crop: 32, workers: 0" if part == "train" else ""
    return f"datasets:{part}={{type: folder, root: mine{more}}}"


@pytest.mark.parametrize("ruin", BROKEN, ids=lambda ruin: ruin.__name__)
@pytest.mark.parametrize("part", ["train", "val"])
def test_photographs_to_train_with(work: Path, ruin: Callable[[Path], list[str]], part: str) -> None:
    parts = [f"datasets.{part}", *ruin(work / "mine")]
    change = [folder(part), "val:val_freq=1"]
    assert_refused(work, parts, *TRAIN, *change)


@pytest.mark.parametrize("ruin", BROKEN, ids=lambda ruin: ruin.__name__)
def test_photographs_to_evaluate_on(work: Path, tiny_weights: Path, ruin: Callable[[Path], list[str]]) -> None:
    parts = ruin(work / "mine")
    assert_refused(work, parts, "evaluate.py", "--weights", tiny_weights, "--clean", "--force_yml", folder("test"))


def test_validation_photograph_that_is_broken_shows_before_training(work: Path) -> None:
    """The last one, which no two-image check would reach."""
    path = work / "mine" / "images" / "c.png"
    path.write_bytes(path.read_bytes()[:2000])
    change = [folder("val"), "val:val_freq=100"]
    parts = ["c.png", "cannot read", "replace or remove"]
    assert_refused(work, parts, *TRAIN, *change)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 31)])
def test_photograph_too_small_to_measure_on(work: Path, tiny_weights: Path, size: tuple[int, int]) -> None:
    write_photographs(work / "mine", {"c": size})
    parts = ["'c'", "too small", "32 pixels a side"]
    change = [folder("val"), "val:val_freq=100"]
    assert_refused(work, parts, *TRAIN, *change)
    outcome = run_here("evaluate.py", "--weights", tiny_weights, "--force_yml", folder("test"), cwd=work)
    assert_error(outcome, *parts)


def test_split_without_a_crack(work: Path) -> None:
    write_photographs(work / "mine", SIZES, crack=False)
    parts = ["datasets.train", "masks of all 3 images are empty", "white"]
    assert_refused(work, parts, *TRAIN, folder("train"))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("datasets:train:part=test", ["datasets.train", "'test'"]),
        ("datasets:train:lists=no.txt", ["datasets.train", "no.txt"]),
        ("datasets:train:lists=list.txt", ["datasets.train", "list.txt", "'zz'"]),
    ],
)
def test_split_that_is_not_there(work: Path, change: str, parts: list[str]) -> None:
    (work / "list.txt").write_text("a\nzz\n")
    assert_refused(work, parts, *TRAIN, folder("train"), change)


def test_all_broken_photographs_are_told_before_anything_is_moved(work: Path, tiny_weights: Path) -> None:
    for name in ("a", "c"):
        path = work / "mine" / "images" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:2000])
    parts = ["2 of 3 photographs", "a.png", "c.png", "cannot read", "replace or remove"]
    changes = [folder("train"), "datasets:train:loader:workers=1"]
    assert_refused(work, ["datasets.train", *parts], *TRAIN, *changes)
    arguments = ["--weights", tiny_weights, "--clean", "--force_yml", folder("test")]
    assert_refused(work, ["datasets.test", *parts], "evaluate.py", *arguments)


# -- weights, photographs to predict --------------------------------------------------------------


def test_weights_of_another_architecture(work: Path, tiny_weights: Path) -> None:
    parts = ["network_sr.weights", str(tiny_weights), "another architecture", "options file"]
    changes = ["network_sr:width=12", f"network_sr:weights={tiny_weights}"]
    assert_refused(work, parts, *TRAIN, *changes)


@pytest.mark.parametrize(
    ("named", "parts"), [("absent.jpg", ["absent.jpg", "no such file"]), ("texts", ["no image", "texts"])]
)
def test_photographs_that_are_not_there_are_named(work: Path, tiny_weights: Path, named: str, parts: list[str]) -> None:
    (work / "texts").mkdir()
    (work / "texts" / "notes.txt").write_text("not a picture")
    photo = work / "mine" / "images" / "b.png"
    assert_refused(work, parts, "predict.py", photo, named, "--weights", tiny_weights)


def test_earlier_results_are_not_overwritten(work: Path, tiny_weights: Path) -> None:
    photo = work / "mine" / "images" / "a.png"
    assert_refused(work, ["results/a_mask.png", "--overwrite"], "predict.py", photo, "--weights", tiny_weights)


# -- where nothing can be written -----------------------------------------------------------------


def test_a_file_in_the_way(work: Path, tiny_weights: Path) -> None:
    """Told before any work, not when the results are to be written."""
    taken = work / "mine" / "images" / "a.png"
    parts = [str(taken), "a file is in the way"]
    changes = [f"path:experiments_root={taken}/new"]
    assert_refused(work, ["experiments_root", *parts], *TRAIN, *changes)
    assert_refused(work, ["--out", *parts], "evaluate.py", "--weights", tiny_weights, "--out", taken / "new")
    assert_refused(work, ["-o", *parts], "predict.py", "mine/images", "--weights", tiny_weights, "-o", taken / "new")


def test_a_folder_without_permission(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != work)  # whoever runs the test may write
    parts = ["path.experiments_root", "no permission", str(work)]
    assert_refused(work, parts, *TRAIN, "path:experiments_root=elsewhere")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_anywhere(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise OSError(number, os.strerror(number), "results/table.csv")

    line = exit_line(main, capsys)
    assert line == f"error: results/table.csv: {os.strerror(number)}; make room, or choose another folder\n"


def test_other_errors_of_the_system_are_not_hidden() -> None:
    def main() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "ours.npz")

    with pytest.raises(FileNotFoundError):
        run_main(main)


# -- the same from another process ----------------------------------------------------------------


@pytest.mark.slow
def test_one_line_from_a_real_command_line(work: Path, tiny_weights: Path) -> None:
    """Nothing that an import, a library or a warning prints stands beside the error."""
    np.save(work / "array.npy", np.zeros(3))
    commands = {
        "unknown network option": [*TRAIN, "network_seg:widht=8"],
        "no picture": ["predict.py", work / "array.npy", "--weights", tiny_weights],
    }
    parts = {"unknown network option": ["network_seg.widht", "'width'"], "no picture": ["array.npy", "cannot read"]}
    before = contents(work)
    running = {name: start(ROOT / script, *rest, cwd=work) for name, (script, *rest) in commands.items()}
    for name, process in running.items():
        assert_error(finish(process), *parts[name])
    assert contents(work) == before
