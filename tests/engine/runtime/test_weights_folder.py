"""Weights as a folder: what is kept of them, what is refused, and where they are taken."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save

from contracts.errors import UserError
from engine.build.models import build_model
from engine.runtime.checkpoint import load_file
from engine.runtime.weights_folder import HALF_ERROR, halved, relative_error, write_folder
from tests.helpers.drawn_sets import write_set
from tests.helpers.errors import assert_holds, error_of
from tests.helpers.folders import change_config, contents
from tests.helpers.photographs import save as save_photograph
from tests.helpers.runs import TRAIN, assert_error, run_here, run_well, tiny

# -- what is kept ---------------------------------------------------------------------------------


def test_all_is_kept_to_a_thousandth(tiny_weights: Path, tiny_folder: Path) -> None:
    before, after = load_file(tiny_weights), load_file(tiny_folder)
    assert before["model"].keys() == after["model"].keys()
    counters = 0
    for name, value in before["model"].items():
        found = after["model"][name]
        if value.is_floating_point():
            assert found.dtype == torch.float32 and relative_error(value, found) <= 2**-10, name
        else:
            counters += 1
            assert found.dtype == value.dtype and torch.equal(found, value), name
    assert counters > 0
    assert before["meta"]["photographs"]["train"] and after["meta"]["photographs"] == before["meta"]["photographs"]
    for key in ("git", "data", "precision"):
        assert after["meta"][key] == before["meta"][key]
    assert after["step"] == 1 and after["options"]["network_seg"] == before["options"]["network_seg"]


def test_the_file_is_half_as_large(tiny_folder: Path) -> None:
    stored = load_tensors(tiny_folder / "model.safetensors")
    numbers = sum(value.numel() for value in stored.values() if value.is_floating_point())
    in_half = sum(value.numel() for value in stored.values() if value.dtype == torch.float16)
    assert in_half > 0.99 * numbers
    assert (tiny_folder / "model.safetensors").stat().st_size < 2.2 * numbers
    assert (tiny_folder / "photographs.json").stat().st_size < 300


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (torch.tensor([1.0, 1 / 3, -2.5]), torch.float16),
        (torch.tensor([[1.0, 1e-9]]), torch.float16),  # beside a 1 it is nothing
        (torch.tensor([[1.0, 1.0], [1e-9, 1e-9]]), torch.float16),
        (torch.tensor([7e4, 1.0]), torch.float32),  # float16 ends at 65504
        (torch.tensor([1.0, 1e-6]), torch.float32),  # a variance of 1e-6 would be 2% off
        (torch.tensor([[1e-6, 2e-6]]), torch.float32),
        (torch.tensor(0.1), torch.float16),
        (torch.zeros(3), torch.float16),
        (torch.zeros(0), torch.float16),
        (torch.tensor([0.1], dtype=torch.float64), torch.float16),
        (torch.tensor(2**40), torch.int64),
        (torch.tensor([True]), torch.bool),
    ],
)
def test_what_float16_would_lose_stays_float32(value: torch.Tensor, dtype: torch.dtype) -> None:
    stored = halved("x", value)
    assert stored.dtype == dtype
    expected = value.numpy().astype(np.float16) if dtype == torch.float16 else value.float().numpy()
    assert np.array_equal(stored.float().numpy(), expected.astype(np.float32))


def test_the_error_of_rounding() -> None:
    assert relative_error(torch.tensor([2.0, 4.0]), torch.tensor([2.0, 5.0])) == 0.25
    assert relative_error(torch.tensor([[2.0, 4.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])) == 0.25
    assert relative_error(torch.tensor([1.0]), torch.tensor([float("inf")])) == float("inf")
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0)).abs() + 0.01
    assert 2**-12 < relative_error(values, values.half()) <= 2**-11 < HALF_ERROR


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_written(bad: float, tmp_path: Path, tiny_weights: Path) -> None:
    content = load_file(tiny_weights)
    name = next(name for name, value in content["model"].items() if value.is_floating_point())
    content["model"][name] = content["model"][name] * bad
    with pytest.raises(UserError, match=f"'{name}' is not finite"):
        write_folder(tmp_path / "w", content, "")
    assert not (tmp_path / "w").exists()


# -- what is refused ------------------------------------------------------------------------------


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "compact"))


def replace(folder: Path, name: str, held: bytes) -> None:
    """Put other content in the place of a file, with its right digest, as somebody of bad intent would."""
    (folder / name).write_bytes(held)
    change_config(folder, lambda config: config["sha256"].update({name: hashlib.sha256(held).hexdigest()}))


def with_tensor(folder: Path, value: torch.Tensor) -> bytes:
    tensors = load_tensors(folder / "model.safetensors")
    tensors[min(tensors)] = value
    return save(tensors)


def flip_a_bit(folder: Path) -> None:
    held = bytearray((folder / "model.safetensors").read_bytes())
    held[-5] ^= 1
    (folder / "model.safetensors").write_bytes(held)


def shorten(folder: Path) -> None:
    held = (folder / "model.safetensors").read_bytes()
    replace(folder, "model.safetensors", held[:-100])


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
HUGE = struct.pack("<Q", 2**60) + b"{}"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "without config.json"),
    "no tensors": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no digests": (lambda f: (f / "photographs.json").unlink(), "photographs.json is missing"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "config.json is no JSON"),
    "deep": (lambda f: (f / "config.json").write_text("[" * 200_000), "config.json is no JSON"),
    "bytes": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json is no JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "holds no entries"),
    "another format": (lambda f: change_config(f, lambda c: c.update(format="other/1")), "format csbsr-weights/1"),
    "no step": (lambda f: change_config(f, lambda c: c.pop("step")), "no entry 'step'"),
    "step of text": (lambda f: change_config(f, lambda c: c.update(step="1")), "no entry 'step'"),
    "no options": (lambda f: change_config(f, lambda c: c.pop("options")), "no entry 'options'"),
    "another scale": (lambda f: change_config(f, lambda c: c.update(scale=2)), "scale 2"),
    "no date": (lambda f: change_config(f, lambda c: c.update(made="yesterday")), "made 'yesterday'"),
    "no zone": (lambda f: change_config(f, lambda c: c.update(made="2026-01-01")), "made '2026-01-01'"),
    "a bit": (flip_a_bit, "model.safetensors is damaged"),
    "pointer": (lambda f: (f / "model.safetensors").write_bytes(LFS), "model.safetensors is damaged"),
    "digests changed": (lambda f: (f / "photographs.json").write_text("{}"), "photographs.json is damaged"),
    "shortened": (shorten, "no readable tensors"),
    "empty": (lambda f: replace(f, "model.safetensors", b""), "no readable tensors"),
    "huge header": (lambda f: replace(f, "model.safetensors", HUGE), "no readable tensors"),
    "pickle": (lambda f: replace(f, "model.safetensors", b"\x80\x02}q\x00."), "no readable tensors"),
    "NaN": (lambda f: replace(f, "model.safetensors", with_tensor(f, torch.tensor(float("nan")))), "is not finite"),
    "complex": (lambda f: replace(f, "model.safetensors", with_tensor(f, torch.tensor(1j))), "no real number"),
    "NaN of 8 bits": (
        lambda f: replace(f, "model.safetensors", with_tensor(f, torch.tensor(float("nan")).to(torch.float8_e4m3fn))),
        "is not finite",
    ),
    "digests of numbers": (lambda f: replace(f, "photographs.json", b'{"train": [1]}'), "no lists of digests"),
    "digests of text": (lambda f: replace(f, "photographs.json", b'{"train": "ab"}'), "no lists of digests"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_folders_are_told_in_one_line(kind: str, copy: Path) -> None:
    damage, message = DAMAGES[kind]
    load_file(copy)
    damage(copy)
    assert_holds(error_of(load_file, copy), [message, str(copy), "; "])


def test_tensors_of_another_architecture(copy: Path, tmp_path: Path) -> None:
    save_photograph(tmp_path, "a.png")
    replace(copy, "model.safetensors", with_tensor(copy, torch.zeros(7)))
    outcome = run_here("predict.py", "a.png", "--weights", copy, cwd=tmp_path)
    assert_error(outcome, "another architecture: 1 of another size")
    assert not list((tmp_path / "results").glob("*.png"))


def test_options_that_are_none(copy: Path, tmp_path: Path) -> None:
    change_config(copy, lambda config: config["options"].update(widht=3))
    outcome = run_here("predict.py", save_photograph(tmp_path, "a.png"), "--weights", copy, cwd=tmp_path)
    assert_error(outcome, "compact: widht: unknown option")


def test_an_experiment_named_by_its_folder(tiny_weights: Path, tmp_path: Path) -> None:
    outcome = run_here("evaluate.py", "--weights", tiny_weights.parent.parent, cwd=tmp_path)
    assert_error(outcome, "a folder without config.json; give a file such as models/best.pth")


# -- where they are taken -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compact", "./compact", "compact/", "compact/model.safetensors"])
def test_predictions_of_a_folder(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "compact")
    outcome = run_here("predict.py", save_photograph(tmp_path, "a.png"), "--weights", name, cwd=tmp_path)
    assert outcome.code == 0 and "1 photographs, compact (step 1), on cpu" in outcome.out, outcome
    assert len(contents(tmp_path / "results")) == 5


def test_a_batch_goes_on_with_the_same_folder_only(copy: Path, tmp_path: Path) -> None:
    command = ["predict.py", save_photograph(tmp_path, "a.png"), "--weights", copy, "--restore", "never", "--resume"]
    run_well(*command, cwd=tmp_path)
    assert "all 1 photographs were done before" in run_here(*command, cwd=tmp_path).out
    change_config(copy, lambda config: config["options"]["joint"].update(normalise="none"))
    assert_error(run_here(*command, cwd=tmp_path), "--resume: ", "with other weights")


def test_a_training_starts_from_a_folder_and_learns_from_it(shipped_weights: Path, tmp_path: Path) -> None:
    shipped = load_file(shipped_weights)["model"]
    for name in (str(shipped_weights), "compact"):
        model = build_model(tiny(tmp_path, f"network_sr:weights={name}", f"network_seg:weights={name}"))
        for key, value in model.state_dict().items():
            assert key not in shipped or torch.equal(value, shipped[key]), key
    changes = ["train:total_iter=1", "train:teacher=compact", "loss:teacher_weight=0.5"]
    run_well(*TRAIN, *changes, cwd=tmp_path)


def test_photographs_trained_on_are_refused(tmp_path: Path, tiny_weights: Path) -> None:
    write_set(tmp_path / "set", numbers=range(4))
    options = [
        "datasets:train={type: folder, root: set, augmentation: {crop: 32}, loader: {batch_size: 2, workers: 0}}",
        "train:total_iter=1",
    ]
    run_well(*TRAIN, *options, cwd=tmp_path)
    content = load_file(tmp_path / "experiments/tiny/models/latest.pth")
    write_folder(tmp_path / "w", content, "")
    test = ["--force_yml", "datasets:test={type: folder, root: set}"]
    assert_error(run_here("evaluate.py", "--clean", "--weights", "w", *test, cwd=tmp_path), "trained on 4 of these 4")
