"""In which precision a training runs: by the hardware, as asked, as it was begun; in bfloat16 to the bit, too."""

from __future__ import annotations

import copy
import json
import os
import platform
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from contracts.errors import UserError
from engine.runtime import precision
from engine.runtime.precision import FLOAT32, Precision, choose, cpu_multiplies, native_bfloat16
from engine.train.run import train
from models.checkpointing import checkpoint_gradients
from models.sr.kbpn import KBPN
from tests.helpers.run_records import assert_same_run, experiment, hardware, load, losses_of
from tests.helpers.runs import tiny, train_here, train_until
from tests.helpers.wandb_records import read_records, run_record, session_files

CPU, GPU = torch.device("cpu"), torch.device("cuda")


# -- the decision ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "asked", "begun", "name", "message"),
    [
        (True, "auto", None, "bfloat16", "amx_bf16"),
        (False, "auto", None, "float32", "no quicker"),
        (True, "float32", None, "float32", "as asked"),
        (True, "bfloat16", None, "bfloat16", "as asked, amx_bf16"),
        (False, "bfloat16", None, "bfloat16", "as asked, slow here"),
        (True, "auto", "float32", "float32", "as it was begun"),
        (False, "auto", "bfloat16", "bfloat16", "as it was begun, slow here"),
        (False, "float32", "bfloat16", "float32", "as asked"),
        (True, "bfloat16", "float32", "bfloat16", "as asked, amx_bf16"),
    ],
)
def test_the_choice(
    native: bool, asked: str, begun: str | None, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware(monkeypatch, native)
    chosen = choose(asked, CPU, begun)
    assert chosen.name == name and message in chosen.why and str(chosen) == f"{name} ({chosen.why})"


@pytest.mark.parametrize("native", [True, False])
def test_gpus_that_only_emulate_bfloat16_compute_in_float32(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert choose("auto", GPU).name == ("bfloat16" if native else "float32")


def test_without_onednn_a_cpu_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_multiplies", lambda: True)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert native_bfloat16(CPU) == "amx_bf16"
    with torch.backends.mkldnn.flags(enabled=False):
        assert native_bfloat16(CPU) is None
    for most, native in (("AVX512_CORE_BF16", False), ("avx2", False), ("AVX512_CORE_AMX", True), ("DEFAULT", True)):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
        assert (native_bfloat16(CPU) is not None) == native, most


def test_a_torch_that_does_not_tell_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_torch = cpu_multiplies()
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        assert cpu_multiplies() == by_torch  # by the kernel's list, on this very CPU
    for flags, native in (("fpu amx_tile amx_bf16 sse", True), ("fpu avx512_bf16 amx_int8", False), ("", False)):
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nvmx flags\t: amx_bf16\nflags\t\t: {flags}\nbugs\t\t:\n")
        assert cpu_multiplies(tmp_path / "cpuinfo") == native
    assert not cpu_multiplies(tmp_path / "absent")


def test_autocast_is_that_of_the_precision() -> None:
    layer, x = nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8)
    for chosen in (FLOAT32, Precision(torch.bfloat16, "")):
        with chosen.autocast("cpu"):
            assert layer(x).dtype == chosen.dtype


# -- training -------------------------------------------------------------------------------------


def bfloat16(folder: Path, *changes: str):
    return tiny(folder, "train:precision=bfloat16", "train:total_iter=3", *changes)


def test_a_training_in_bfloat16_is_close_and_keeps_float32(tmp_path: Path) -> None:
    """The loss before the first update differs by rounding alone: a few of the 2^-9 of each layer."""
    train_here(bfloat16(tmp_path / "half"))
    train_here(tiny(tmp_path / "full", "train:total_iter=3"))
    half, full = losses_of(tmp_path / "half"), losses_of(tmp_path / "full")
    assert half != full and half[0] == pytest.approx(full[0], rel=0.02)
    state = load(experiment(tmp_path / "half").state)
    saved = [*state["trained"].values(), *(one["exp_avg"] for one in state["optimizer"]["state"].values())]
    assert {one.dtype for one in saved if one.is_floating_point()} == {torch.float32}
    precisions = [load(experiment(tmp_path / name).latest)["meta"]["precision"] for name in ("half", "full")]
    assert precisions == ["bfloat16", "float32"]


def test_the_log_and_the_facts_of_the_run_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hardware(monkeypatch, native=True)
    options = tiny(tmp_path, "train:total_iter=1", "train:precision=auto", "wandb:mode=offline")
    with mock.patch.dict(os.environ, WANDB_MODE="offline", HOME=str(tmp_path)):
        train(options)
    assert " on cpu in bfloat16 (amx_bf16)\n" in capsys.readouterr().out
    (file,) = session_files(experiment(tmp_path).folder)
    config = {item.key: json.loads(item.value_json) for item in run_record(read_records(file)).config.update}
    assert config["meta"]["precision"] == "bfloat16" and config["train"]["precision"] == "auto"
    assert load(experiment(tmp_path).state)["meta"]["precision"] == "bfloat16"


@pytest.mark.parametrize("native", [True, False])
def test_resumed_elsewhere_it_goes_on_to_the_bit_as_it_was_begun(
    native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training, validation and a dropout that draws; the other machine would have chosen the other precision."""
    steps = ("train:total_iter=5", "val:val_freq=2", "logger:save_checkpoint_freq=2")
    changes = ("train:precision=auto", "network_seg:dropout=0.3", *steps)
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    hardware(monkeypatch, native)
    train_here(tiny(whole, *changes))
    train_until(tiny(moved, *changes), 4, monkeypatch)
    assert load(experiment(moved).state)["step"] == 2
    hardware(monkeypatch, not native)
    capsys.readouterr()
    train_here(tiny(moved, *changes), auto_resume=True)
    name = "bfloat16 (as it was begun, slow here)" if native else "float32 (as it was begun)"
    printed = capsys.readouterr().out
    assert f"in {name}\n" in printed and "train.precision: " not in printed
    assert_same_run(whole, moved)


def test_a_resumed_training_changes_its_precision_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_here(tiny(tmp_path, "train:total_iter=1"))
    train_here(tiny(tmp_path, "train:precision=bfloat16", "train:total_iter=2"), auto_resume=True)
    assert capsys.readouterr().out.count("train.precision: float32 until step 1, bfloat16 from then on\n") == 1
    assert load(experiment(tmp_path).state)["meta"]["precision"] == "bfloat16"
    train_here(tiny(tmp_path, "train:precision=auto", "train:total_iter=3"), auto_resume=True)
    printed = capsys.readouterr().out
    assert "in bfloat16 (as it was begun" in printed and "train.precision: " not in printed
    with pytest.raises(UserError, match="train.grad_clip"):  # nothing else of that section may change with it
        train_here(tiny(tmp_path, "train:total_iter=4", "train:grad_clip=9"), auto_resume=True)


@pytest.mark.parametrize(("asked", "name"), [("auto", "float32"), ("bfloat16", "bfloat16")])
def test_states_that_do_not_tell_were_in_float32_unless_asked(
    asked: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the fact was kept, "auto" meant bfloat16 on GPUs alone."""
    train_here(tiny(tmp_path, f"train:precision={asked}", "train:total_iter=1"))
    state = load(experiment(tmp_path).state)
    del state["meta"]["precision"]
    torch.save(state, experiment(tmp_path).state)
    hardware(monkeypatch, native=True)
    train_here(tiny(tmp_path, "train:precision=auto", "train:total_iter=2"), auto_resume=True)
    assert load(experiment(tmp_path).state)["meta"]["precision"] == name


def test_recomputed_gradients_are_the_same_numbers_in_bfloat16() -> None:
    torch.manual_seed(0)
    plain, lr = KBPN(stages=2, width=8, corrector_width=4, modulation_width=8), torch.rand(2, 3, 12, 10)
    saving, gradients = copy.deepcopy(plain), []
    checkpoint_gradients(saving)
    for network in (plain, saving):
        with Precision(torch.bfloat16, "").autocast("cpu"):
            loss = network(lr).sr.square().mean()
        gradients.append(torch.autograd.grad(loss, list(network.parameters()), allow_unused=True))
    pairs = [pair for pair in zip(*gradients, strict=True) if pair[0] is not None]
    assert len(pairs) > 20 and all(torch.equal(one, other) for one, other in pairs)
