"""A frozen test set holds bit for bit what the evaluation would draw, and the evaluation reads it back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from contracts.errors import UserError
from contracts.records import JointOutput
from degradations.frozen import FrozenSet
from engine.build.data import build_source
from engine.evaluate.build import build_evaluator
from engine.evaluate.settings import EvaluationSettings
from engine.options import Options
from engine.options.load import load_options
from tests.helpers.errors import exit_line
from tests.helpers.folders import write_photographs
from tools.freeze import freeze, main


class Enlarge(torch.nn.Module):
    """Stands in for the model: what the evaluator hands over is what the test looks at."""

    def forward(self, lr: torch.Tensor) -> JointOutput:
        sr = torch.nn.functional.interpolate(lr, scale_factor=4)
        return JointOutput(sr, None, sr[:, :1])


def options_of(root: Path, *changes: str) -> Options:
    small = ["datasets:test:count=2", "datasets:test:size=66", "datasets:test:seed=5"]
    return load_options(root / "options/joint.yml", [*small, *changes])


@pytest.mark.parametrize("kind", ["synthetic", "folder"])
@pytest.mark.parametrize("preset", ["kondo_ukita", "field", "strong"])
def test_evaluation_is_the_same_with_and_without_the_frozen_set(kind, preset, root, tmp_path):
    write_photographs(tmp_path / "mine", {"one": (48, 64), "two": (51, 70), "three": (40, 44)})  # 51, 70: not of 4
    sets = {
        "synthetic": "{type: synthetic, count: 2, size: 66, seed: 5}",
        "folder": f"{{type: folder, root: {tmp_path / 'mine'}, seed: 7}}",
    }
    changes = [f"datasets:test={sets[kind]}", f"degradation:preset={preset}"]
    options = load_options(root / "options/joint.yml", changes)
    dataset = options.datasets.test
    count = freeze(options, tmp_path / "set")
    source = build_source(dataset, "datasets.test")
    assert count == len(source)

    def seen(frozen) -> list:
        device = torch.device("cpu")
        settings = EvaluationSettings(seed=dataset.seed, frozen=frozen)
        evaluator = build_evaluator(options, source, device, ["degraded"], settings)
        return list(evaluator.predict(Enlarge()))

    drawn, read = seen(None), seen(FrozenSet(tmp_path / "set"))
    for one, other in zip(drawn, read, strict=True):
        assert one.name == other.name
        assert one.lr.dtype == other.lr.dtype == np.float32 and np.array_equal(one.lr, other.lr)
        assert np.array_equal(one.true_kernel, other.true_kernel)
        assert np.array_equal(one.prob, other.prob)
    assert not np.array_equal(drawn[0].true_kernel, drawn[1].true_kernel)


def test_manifest_tells_what_was_rendered(root, tmp_path):
    options = options_of(root)
    freeze(options, tmp_path / "set")
    meta = json.loads((tmp_path / "set/manifest.json").read_text())["meta"]
    assert meta["seed"] == 5 and meta["scale"] == 4 and meta["quantise"] is True
    assert [step["type"] for step in meta["steps"]] == ["blur", "downscale"]
    assert len(meta["data"]) == 64
    assert cv2.imread(str(next((tmp_path / "set/lr").rglob("*.png")))).shape == (16, 16, 3)


def test_nothing_else_is_overwritten(root, tmp_path):
    options = options_of(root)
    freeze(options, tmp_path / "set")
    before = (tmp_path / "set/manifest.json").read_bytes()
    freeze(options, tmp_path / "set")  # the very same set
    with pytest.raises(UserError, match="other settings"):
        freeze(options_of(root, "degradation:preset=field"), tmp_path / "set")
    with pytest.raises(UserError, match="other settings"):
        freeze(options_of(root, "datasets:test:count=1"), tmp_path / "set")
    assert (tmp_path / "set/manifest.json").read_bytes() == before


def test_options_without_a_test_set(root, tmp_path):
    with pytest.raises(UserError, match=r"datasets\.test"):
        freeze(load_options(root / "options/joint.yml", ["datasets:test=null"]), tmp_path / "set")


def test_the_command_says_how_to_use_the_set(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    command = ["freeze", "-opt", "options/joint.yml", "--out", str(tmp_path / "set"), "--force_yml"]
    monkeypatch.setattr(sys, "argv", [*command, "datasets:test:count=1", "datasets:test:size=64"])
    main()
    printed = capsys.readouterr()
    assert "freezing 1/1" in printed.err and f"datasets:test:frozen={tmp_path / 'set'}" in printed.out
    monkeypatch.setattr(sys, "argv", [*command, "scale=3"])
    assert exit_line(main, capsys).startswith("error: options/joint.yml: scale: ")
