"""Which weights an evaluation takes, and what it says about files that are none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from contracts.errors import UserError
from engine.runtime.checkpoint import load_file, load_weights, save_atomic
from engine.runtime.experiment import Experiment, newest, weights_of
from tests.helpers.errors import error_of
from tests.helpers.runs import ROOT, TINY, TRAIN, assert_error, run_here, run_well


def test_the_newest_experiment_and_its_best_weights_are_taken(tmp_path: Path) -> None:
    ages = {
        "old/models/best.pth": 300,
        "new/models/best.pth": 200,
        "new/models/latest.pth": 100,
        "new_archived_20260101_000000/models/latest.pth": 50,
        "empty/training_states/latest.state": 10,
    }
    for name, age in ages.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (1e9 - age, 1e9 - age))
    assert newest(tmp_path).folder.name == "new"
    assert weights_of(newest(tmp_path)) == tmp_path / "new" / "models" / "best.pth"
    with pytest.raises(UserError, match="no weights in .*empty"):
        weights_of(Experiment(tmp_path / "empty"))


def test_without_weights_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.shipped.WEIGHTS", tmp_path / "weights")
    assert_error(run_here("evaluate.py", cwd=tmp_path), "experiments/", "train_joint.py", "--weights")
    assert_error(run_here("evaluate.py", "-opt", TINY, cwd=tmp_path), "experiments/tiny", "train")
    assert_error(run_here("evaluate.py", "--weights", "no.pth", cwd=tmp_path), "no.pth", "train first")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_architecture(tiny_weights: Path, tmp_path: Path) -> None:
    command = ["evaluate.py", "-opt", TINY, "--weights", tiny_weights, "--force_yml"]
    for change in ("network_sr:width=12", "network_sr:stages=2", "network_seg:full_resolution=false"):
        outcome = run_here(*command, change, cwd=tmp_path)
        assert_error(outcome, "latest.pth", "another architecture", "first: s", "options file")
    assert not (tiny_weights.parent.parent / "results").exists()


CONTENTS = {
    "text": b"these are my weights\n",
    "options": (ROOT / "options" / "joint.yml").read_bytes(),
    "empty": b"",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "zip": b"PK\x03\x04" + bytes(300),
    "pickle": b"\x80\x02}q\x00.",
    **{f"noise_{seed}": np.random.default_rng(seed).bytes(300) for seed in range(6)},
    **{f"opcode_{code}": code.encode() + b"\n00000" for code in "cRtjuls0(2b}"},
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_file_that_holds_no_weights(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTENTS[kind])
    assert str(path) in error_of(load_file, path)


@pytest.mark.parametrize("content", [{"format": 99}, {"model": {}}, [1, 2], torch.zeros(3)])
def test_a_checkpoint_of_another_program(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="no checkpoint of this project"):
        load_file(tmp_path / "weights.pth")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    torch.save({"format": 1, "model": Evil()}, tmp_path / "weights.pth")
    outcome = run_here("evaluate.py", "--weights", "weights.pth", cwd=tmp_path)
    assert_error(outcome, "weights.pth")
    assert not (tmp_path / "made").exists()


@pytest.fixture
def without(tiny_weights: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of the weights that lacks one entry."""

    def make(entry: str) -> Path:
        content = load_file(tiny_weights)
        del content[entry]
        torch.save(content, tmp_path / "part.pth")
        return tmp_path / "part.pth"

    return make


@pytest.mark.parametrize("script", [["evaluate.py", "--clean"], ["predict.py", "photograph.png"]])
def test_weights_without_their_options(without: Callable[[str], Path], tmp_path: Path, script: list[str]) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "photograph.png")
    command = [*script, "--weights", without("options")]
    assert_error(run_here(*command, cwd=tmp_path), "part.pth", "without their options", "-opt FILE")
    run_well(*command, "-opt", TINY, cwd=tmp_path)


@pytest.mark.parametrize("entry", ["model", "meta", "step"])
def test_weights_that_lack_something(without: Callable[[str], Path], tmp_path: Path, entry: str) -> None:
    command = ["evaluate.py", "--clean", "--weights", without(entry)]
    for options in ([], ["-opt", TINY]):
        assert_error(run_here(*command, *options, cwd=tmp_path), "part.pth", f"no entry '{entry}'", "train_joint.py")


def test_start_weights_and_teacher_that_lack_the_model(without: Callable[[str], Path], tmp_path: Path) -> None:
    path = without("model")
    for change, *more in ((f"network_sr:weights={path}",), (f"train:teacher={path}", "loss:teacher_weight=0.5")):
        outcome = run_here(*TRAIN, change, *more, cwd=tmp_path)
        assert_error(outcome, change.partition("=")[0].replace(":", "."), "part.pth", "no entry 'model'")


def test_a_full_disk_keeps_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    save_atomic({"model": {}, "step": 1}, path)
    (tmp_path / "weights.pth.tmp").symlink_to("/dev/full")
    message = error_of(save_atomic, {"model": {"a": torch.zeros(10_000)}, "step": 2}, path)
    assert "weights.pth: cannot be written (No space left on device)" in message
    assert load_file(path)["step"] == 1 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("lost", "message"), [((), None), (("added.",), None), (("added.bias",), "1 missing"), (("kept.",), "2 missing")]
)
def test_parts_that_may_lack_are_absent_as_a_whole(lost: tuple[str, ...], message: str | None) -> None:
    module = nn.ModuleDict({"kept": nn.Linear(2, 2), "added": nn.Linear(2, 2)})
    state = {key: torch.ones_like(value) for key, value in module.state_dict().items() if not key.startswith(lost)}
    if message is not None:
        with pytest.raises(UserError, match=f"here: .*{message}"):
            load_weights(module, state, "here", may_lack=("added.",))
        return
    before = module["added"].weight.clone()
    load_weights(module, state, "here", may_lack=("added.",))
    assert torch.equal(module["kept"].weight, torch.ones(2, 2))
    assert torch.equal(module["added"].weight, before if lost else torch.ones(2, 2))
