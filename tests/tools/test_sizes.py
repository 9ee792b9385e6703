"""Sizes of systems: counted by the tool as by hooks on every convolution."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from contracts.errors import UserError
from engine.build.models import build_model
from engine.options import Options
from tests.helpers.runs import ROOT, assert_error, changed, run_here
from tools.sizes import SYSTEMS, main, measure, parse

PLAIN = "network_seg={type: fpn, encoder: plain, width: 8}"


def counted_by_hooks(options: Options, side: int, sharp: bool) -> int:
    """Multiply-adds of all convolutions: output elements times taps that each of them reads."""
    model, total = build_model(options).eval(), 0

    def count(layer: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    image = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        model.segment(image) if sharp else model(image)
    return total


@pytest.mark.parametrize(("stage", "sharp"), [("seg", False), ("seg_hr", True)])
def test_multiply_adds_are_those_of_the_convolutions(stage: str, sharp: bool) -> None:
    options = changed(PLAIN, f"train:stages=[{{name: {stage}}}]")
    size = measure(options, 16, 1)
    assert size.multiply_adds == counted_by_hooks(options, 64 if sharp else 16, sharp) > 0
    assert size.sr == 0 and size.seconds > 0
    assert size.parameters == sum(one.numel() for one in build_model(options).parameters())


def test_table_names_the_files(capsys) -> None:
    with mock.patch("sys.argv", ["sizes", str(ROOT / "options" / "joint.yml"), "--side", "16", "--runs", "1"]):
        main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("LR 16x16, float32, 1 threads")
    assert lines[-1].startswith("| `joint` | 1.85 | 0.53 |")


def test_the_default_systems_are_shipped() -> None:
    assert [name for name in SYSTEMS if not (ROOT / "options" / "paper" / f"{name}.yml").is_file()] == []


def test_what_measures_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--side 4 --runs 3"):
        parse(["--side", "4"])
    assert_error(run_here("tools/sizes.py", "absent.yml", cwd=tmp_path), "absent.yml", "does not exist")
