"""Multiply-adds against counts by hand, and costs that survive a resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from engine.runtime.checkpoint import load_file
from engine.runtime.compute import MultiplyAdds, TrainingCost, peak_memory
from tests.helpers.runs import tiny, train_here, train_until


def counted(call: object) -> int:
    counter = MultiplyAdds()
    with counter.counting():
        call()  # type: ignore[operator]
    return counter.number


def test_a_convolution_and_a_product_by_hand() -> None:
    conv, linear = nn.Conv2d(3, 8, 5, padding=2, bias=False), nn.Linear(8, 4, bias=False)
    image = torch.rand(2, 3, 16, 10)
    assert counted(lambda: conv(image)) == 2 * 8 * 16 * 10 * 3 * 25
    assert counted(lambda: linear(torch.rand(7, 8))) == 7 * 8 * 4
    # backward: the gradient of the weights alone, as nothing before the convolution learns
    assert counted(lambda: conv(image).sum().backward()) == 2 * (2 * 8 * 16 * 10 * 3 * 25)


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_of_grouped_convolutions_by_hand(groups: int, transposed: bool) -> None:
    """Each of both gradients takes every weight once a sample and position, as the forward does."""
    cls = nn.ConvTranspose2d if transposed else nn.Conv2d
    conv = cls(8, 8, 3, stride=2, groups=groups, bias=False)
    image = torch.rand(2, 8, 11, 15, requires_grad=True)
    positions = 11 * 15 if transposed else 5 * 7
    forward = 2 * positions * 8 * (8 // groups) * 9
    assert counted(lambda: conv(image)) == forward
    assert counted(lambda: conv(image).sum().backward()) == 3 * forward
    assert counted(lambda: conv(image.detach()).sum().backward()) == 2 * forward


def test_counting_changes_no_value() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.PReLU(), nn.Conv2d(8, 1, 3))
    image = torch.rand(2, 3, 20, 20)
    plain = net.eval()(image)
    counter = MultiplyAdds()
    with counter.counting(), torch.autocast("cpu", enabled=False):
        assert torch.equal(net(image), plain)


def test_the_first_step_of_a_stage_stands_for_the_others() -> None:
    cost, small, large = TrainingCost(processes=2), nn.Linear(4, 4, bias=False), nn.Linear(8, 8, bias=False)
    for net, steps in ((small, 3), (large, 2)):
        cost.new_stage()
        for _ in range(steps):
            with cost.step():
                net(torch.rand(1, net.in_features))
    assert cost.multiply_adds == 2 * (3 * 16 + 2 * 64)
    turns = TrainingCost()
    for kind in ("small", "large") * 3:
        with turns.step(kind):
            {"small": small, "large": large}[kind](torch.rand(1, {"small": 4, "large": 8}[kind]))
    assert turns.multiply_adds == 3 * (16 + 64)
    uncounted = TrainingCost(countable=False)
    with uncounted.step():
        small(torch.rand(1, 4))
    assert uncounted.multiply_adds is None
    cost.load({})
    cost.took(3.0)
    assert cost.multiply_adds is None and cost.seconds is None  # what an earlier version did not count stays unknown


def test_a_resumed_training_has_cost_what_an_undisturbed_one_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    for name in ("whole", "halves"):
        options = tiny(tmp_path, f"name={name}", "train:total_iter=4", "logger:save_checkpoint_freq=1")
        if name == "halves":
            with monkeypatch.context() as patched:
                train_until(options, 3, patched)
            first = load_file(tmp_path / "experiments" / name / "models" / "latest.pth")["meta"]["compute"]
        train_here(options, auto_resume=name == "halves")
        costs.append(load_file(tmp_path / "experiments" / name / "models" / "latest.pth")["meta"]["compute"])
    assert costs[0]["multiply_adds"] == costs[1]["multiply_adds"] > 0
    assert costs[1]["seconds"] > first["seconds"] > 0 and costs[0]["device"] == "cpu"
    assert 50 < costs[0]["peak_memory_mib"] == pytest.approx(peak_memory(torch.device("cpu")) / 2**20, rel=0.5)
