"""Released checkpoints that do not fit, hold something else or would run code are refused in one line."""

from __future__ import annotations

import pathlib
from pathlib import Path

import pytest
import torch
from torch import nn

from contracts.errors import UserError
from engine.runtime.checkpoint import save_atomic
from tests.helpers.errors import assert_holds, error_of, exit_line
from tests.helpers.released import refusal, small_file
from tools.import_csbsr.__main__ import main
from tools.import_csbsr.released import read_released
from tools.import_csbsr.variants import recognise


def test_missing_and_unexpected_tensors_are_counted_and_three_named(pair) -> None:
    state = dict(pair)
    for number in range(1, 5):
        del state[f"sr_model.up{number}.up_conv1.deconv.bias"]
    state["sr_model.extra"] = torch.zeros(1)
    message = refusal(state)
    gone = ", ".join(f"sr_model.up{number}.up_conv1.deconv.bias" for number in (1, 2, 3))
    assert f"4 missing ({gone}, ...), 1 unexpected (sr_model.extra)" in message


def test_faults_of_the_segmentation_network_are_found_too(pair) -> None:
    state = {name: tensor for name, tensor in pair.items() if name != "segmentation_model.final.bias"}
    assert "crackformer do not fit: 1 missing (segmentation_model.final.bias), 0 unexpected" in refusal(state)


def test_another_shape_is_named(pair) -> None:
    name = "sr_model.up1.up_conv1.deconv.weight"
    message = refusal({**pair, name: torch.zeros(64, 65, 8, 8)})
    assert f"'{name}' has shape [64, 65, 8, 8], the network expects [64, 64, 8, 8]" in message


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"optimizer": 1, "epoch": 2}, "2 unexpected (epoch, optimizer); expected sr_model"),
        ({"parallel_model.up_conv_last.bias": 1}, "1 unexpected (parallel_model.up_conv_last.bias)"),
    ],
)
def test_tensors_of_neither_network_are_refused(pair, extra, message) -> None:
    assert message in refusal({**pair, **extra})


def test_a_network_not_known_is_refused(pair) -> None:
    names = [name for name in pair if name.startswith("segmentation_model.")]
    with pytest.raises(UserError, match=r"1 unexpected \(sr_model.body.0.weight\).*known: kbpn, dbpn, srcnet"):
        recognise([*names, "sr_model.body.0.weight"])
    with pytest.raises(UserError, match="no segmentation network"):
        recognise([name for name in pair if name.startswith("sr_model.")])


class Reduces:
    """An object whose unpickling would call a function of the file's choice."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return pathlib.Path.touch, (self.marker,)


def test_a_pickled_object_is_refused_and_not_run(pair, tmp_path) -> None:
    marker = tmp_path / "was_run"
    torch.save({"sr_model.x": torch.zeros(1), "config": Reduces(marker)}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="holds more than tensors .*refused by weights_only.*run code"):
        read_released(tmp_path / "bad.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(UserError, match=r"more than tensors \(torch.nn.modules.linear.Linear\)"):
        read_released(tmp_path / "module.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "no dictionary of tensors"),
        ({}, "no dictionary of tensors"),
        ({"sr_model.x": torch.zeros(1), "epoch": 3}, "'epoch' is no tensor, found int"),
        ({"state_dict": {"sr_model.x": torch.zeros(1)}}, "'state_dict' is no tensor, found dict"),
        ({"module.sr_model.x": torch.zeros(1), "sr_model.x": torch.zeros(1)}, "both with and without 'module.'"),
        ({"sr_model.x": torch.tensor([1.0, float("nan")])}, "'sr_model.x' holds numbers that are not finite"),
    ],
)
def test_what_is_no_released_checkpoint_is_refused(content, message, tmp_path) -> None:
    torch.save(content, tmp_path / "other.pth")
    assert_holds(error_of(read_released, tmp_path / "other.pth"), ["other.pth", message])


@pytest.mark.parametrize("content", [b"", b"these are my weights\n", b"PK\x03\x04" + bytes(300), b"\x80\x02}q\x00."])
def test_other_files_are_refused(content, tmp_path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(UserError, match="other is no re|other is no released"):
        read_released(tmp_path / "other")
    with pytest.raises(UserError, match="no.pth is no file"):
        read_released(tmp_path / "no.pth")


def test_weights_of_this_project_need_no_import(tmp_path) -> None:
    save_atomic({"model": {}, "options": {}, "meta": {}, "step": 1}, tmp_path / "ours.pth")
    with pytest.raises(UserError, match="checkpoint of this project already; use it as it is"):
        read_released(tmp_path / "ours.pth")


def test_nothing_is_overwritten(pair, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    small_file(pair, tmp_path / "released.pth")
    main(["released.pth"])
    weights = tmp_path / "experiments" / "released_cssr_crackformer" / "models" / "latest.pth"
    before = weights.read_bytes()
    error = exit_line(lambda: main(["released.pth"]), capsys)
    assert error.startswith("error: experiments/released_cssr_crackformer is there already")
    assert "-o DIR" in error and weights.read_bytes() == before


def test_a_misfit_writes_nothing(pair, tmp_path) -> None:
    state = {**pair, "segmentation_model.extra": torch.zeros(1)}
    with pytest.raises(UserError, match=r"bad.pth: .*0 missing, 1 unexpected \(segmentation_model.extra\)"):
        main([str(small_file(state, tmp_path / "bad.pth")), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
