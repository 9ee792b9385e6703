"""The moving average of a model: figures worked out by hand, statistics and counters, states and real trainings."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.train.ema import EMA
from tests.helpers.run_records import assert_same, experiment, load
from tests.helpers.runs import tiny, train_here


class Small(nn.Module):
    """One of each: a weight, a floating statistic, a constant and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.0, 2.0]))
        self.register_buffer("variance", torch.tensor([1.0]))
        self.register_buffer("constant", torch.tensor([0.1, 1e-30]), persistent=False)
        self.register_buffer("count", torch.tensor(0))

    def become(self, weight: list[float], variance: float, count: int) -> None:
        with torch.no_grad():
            self.weight.copy_(torch.tensor(weight))
        self.variance.fill_(variance)
        self.count.fill_(count)


def test_first_updates_by_hand() -> None:
    """Update 1 keeps 2/11 of the old, update 2 keeps 3/12: weights and statistics alike. Counters are copied."""
    model = Small()
    ema = EMA(model, decay=0.9)
    model.become([11.0, 13.0], 12.0, 7)
    ema.update(model)
    torch.testing.assert_close(ema.average.weight, torch.tensor([9.0, 11.0]))  # 9/11 * 11; 2/11 * 2 + 9/11 * 13
    torch.testing.assert_close(ema.average.variance, torch.tensor([10.0]))  # 2/11 * 1 + 9/11 * 12
    assert ema.average.count == 7
    model.become([21.0, 15.0], 22.0, 1_000_003)
    ema.update(model)
    torch.testing.assert_close(ema.average.weight, torch.tensor([18.0, 14.0]))  # a quarter old, three quarters new
    torch.testing.assert_close(ema.average.variance, torch.tensor([19.0]))
    assert ema.average.count == 1_000_003 and ema.average.count.dtype == torch.int64
    assert torch.equal(ema.average.constant, Small().constant)


def test_late_updates_keep_the_decay() -> None:
    model = Small()
    ema = EMA(model, decay=0.9)
    ema.updates = 1000
    model.become([10.0, 12.0], 11.0, 5)
    ema.update(model)
    torch.testing.assert_close(ema.average.weight, torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(ema.average.variance, torch.tensor([2.0]))


def test_decay_zero_is_the_model_to_the_bit() -> None:
    model = noisy_norm()
    ema = EMA(model, decay=0.0)
    for step in range(3):
        train_on(model, step)
        ema.update(model)
        assert_same(ema.average.state_dict(), model.state_dict())


def noisy_norm() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1))


def train_on(model: nn.Module, step: int) -> None:
    """A step of plain gradient descent on noise that depends on the step alone."""
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step)) * (1 + step)
    model.zero_grad()
    model(x).square().mean().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad


def through_a_file(state: dict) -> dict:
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


def test_statistics_are_the_weighted_means_of_the_live_ones() -> None:
    """Unrolled: the average after n updates is a sum over all live values, in float64."""
    model = noisy_norm()
    ema = EMA(model, decay=0.8)
    lived, keeps = [model[1].running_var.double()], []
    for step in range(12):
        train_on(model, step)
        ema.update(model)
        lived.append(model[1].running_var.double())
        keeps.append(min(0.8, (2 + step) / (11 + step)))
    shares = torch.tensor([1.0] + [1 - keep for keep in keeps], dtype=torch.float64)
    for index, keep in enumerate(keeps):
        shares[: index + 1] *= keep
    assert shares.sum() == pytest.approx(1)
    expected = sum(share * one for share, one in zip(shares, lived, strict=True))
    torch.testing.assert_close(ema.average[1].running_var.double(), expected, rtol=1e-6, atol=0)
    assert ema.average[1].num_batches_tracked == 12


@pytest.mark.parametrize("copied", [False, True], ids=["of this version", "with copied statistics"])
def test_resumed_average_goes_on_to_the_bit(copied: bool) -> None:
    """Also from states of before, whose statistics are the live model's: the same names and shapes."""
    model = noisy_norm()
    whole = EMA(model, decay=0.9)
    for step in range(5):
        train_on(model, step)
        whole.update(model)
    if copied:
        for average, live in zip(whole.average.buffers(), model.buffers(), strict=True):
            average.copy_(live)
    state = through_a_file({"trained": model.state_dict(), "ema": whole.state_dict()})
    assert state["ema"].keys() == {"updates", "average"}
    again = noisy_norm()
    resumed = EMA(again, decay=0.9)
    again.load_state_dict(state["trained"])
    resumed.load_state_dict(state["ema"])
    for step in range(5, 9):
        for trained, ema in ((model, whole), (again, resumed)):
            train_on(trained, step)
            ema.update(trained)
    assert_same(whole.state_dict(), resumed.state_dict())


def test_tied_tensors_are_averaged_once() -> None:
    first = nn.BatchNorm1d(2)
    model = nn.ModuleList([first, first])
    ema = EMA(model, decay=0.9)
    first.running_mean.fill_(11.0)
    ema.update(model)
    torch.testing.assert_close(ema.average[1].running_mean, torch.tensor([9.0, 9.0]))


def test_update_leaves_the_model_alone() -> None:
    model = noisy_norm()
    ema = EMA(model, decay=0.9)
    train_on(model, 0)
    before = copy.deepcopy(model.state_dict())
    ema.update(model)
    assert_same(before, model.state_dict())
    assert not any(one.requires_grad for one in ema.average.parameters()) and not ema.average.training


def test_training_keeps_averaged_statistics(tmp_path: Path) -> None:
    """What a training saves as its weights is the average, statistics included, and the live model beside it."""
    train_here(tiny(tmp_path, "train:total_iter=3"))
    state, latest = load(experiment(tmp_path).state), load(experiment(tmp_path).latest)["model"]
    live, average = state["trained"], state["ema"]["average"]
    assert_same(average, latest)
    statistics = [key for key in live if key.endswith(("running_mean", "running_var"))]
    counters = [key for key in live if not live[key].is_floating_point()]
    assert statistics and counters
    assert [key for key in statistics if torch.equal(live[key], average[key])] == []
    assert_same({key: live[key] for key in counters}, {key: average[key] for key in counters})


def test_training_without_an_average_saves_the_model(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, "train:total_iter=2", "train:ema_decay=0"))
    state = load(experiment(tmp_path).state)
    trained: dict[str, Tensor] = state["trained"]
    assert_same(trained, state["ema"]["average"])
