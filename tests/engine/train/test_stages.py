"""Stages: pure functions of the step."""

from __future__ import annotations

import math

import pytest

from engine.options import StageOptions
from engine.train.stages import stage_lengths
from losses.schedule import alpha_paper
from tests.helpers.errors import assert_holds, error_of
from tests.helpers.runs import plan

# -- lengths --------------------------------------------------------------------------------------


def stages(*lengths: int | float | None) -> list[StageOptions]:
    """An integer is a number of iterations, a float a share, None the rest."""
    keys = {int: "iterations", float: "fraction"}
    return [StageOptions(name="joint", **({keys[type(one)]: one} if one is not None else {})) for one in lengths]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([None], [100]),
        ([10, None, 20], [10, 70, 20]),
        ([0.15, 0.05, 0.1, None], [15, 5, 10, 70]),
        ([0.5, 30, None], [50, 30, 20]),
        ([100, None], [100, 0]),
        ([40, 60], [40, 60]),
        ([0.333, None], [33, 67]),
    ],
)
def test_lengths_fill_the_run(lengths: list, expected: list[int]) -> None:
    assert stage_lengths(stages(*lengths), 100) == expected


@pytest.mark.parametrize(
    ("lengths", "parts"),
    [
        ([None, 10, None], ["train.stages.0, train.stages.2", "only one"]),
        ([90, 20], ["sum to 110", "train.total_iter is 100"]),
        ([90, 20, None], ["sum to 110", "train.total_iter is 100"]),
        ([40, 50], ["sum to 90", "train.total_iter is 100"]),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths: list, parts: list[str]) -> None:
    assert_holds(error_of(stage_lengths, stages(*lengths), 100), parts)


def test_every_step_has_one_stage() -> None:
    laid = plan("train:stages=[{name: sr, iterations: 3}, {name: kernel, iterations: 0}, {name: joint}]")
    names = [laid.at(step).name for step in range(1, 101)]
    assert names == ["sr"] * 3 + ["joint"] * 97
    assert [laid.index_at(step) for step in (1, 3, 4, 100)] == [(0, 1), (0, 3), (2, 1), (2, 97)]
    with pytest.raises(ValueError, match="beyond"):
        laid.at(101)


# -- what depends on the step ---------------------------------------------------------------------


def test_plan_is_pure() -> None:
    changes = ("train:scheduler={type: cosine, warmup_iter: 5}", "loss:alpha:schedule=paper")
    first, second = plan(*changes), plan(*changes)
    forwards = [first.at(step) for step in range(1, 101)]
    backwards = [second.at(step) for step in range(100, 0, -1)][::-1]
    assert forwards == backwards == [first.at(step) for step in range(1, 101)]


def test_paper_alpha_is_the_closed_form() -> None:
    laid = plan(
        "loss:alpha={schedule: paper, start: 1.0, floor: 0.9}",
        "train:stages=[{name: sr, iterations: 20}, {name: joint}]",
        images=7,
    )
    assert laid.epoch_steps == 7 // 2 + 1
    assert [laid.at(step).alpha for step in (1, 20)] == [1.0, 1.0]
    for step in range(21, 101):
        expected = max(0.9, 1.0 - 0.01 * ((step - 20) // 4))
        assert laid.at(step).alpha == pytest.approx(expected, abs=1e-12)
        assert laid.at(step).alpha == alpha_paper(step - 20, 4, floor=0.9)


def test_other_alphas() -> None:
    linear = plan("loss:alpha={schedule: linear, start: 0.9, floor: 0.5}")
    assert [linear.at(step).alpha for step in (1, 100)] == pytest.approx([0.9, 0.5])
    assert linear.at(34).alpha == pytest.approx(0.9 - 0.4 * 33 / 99)
    rising = plan("loss:alpha:schedule=boundary_rising", images=40)  # 20 steps a pass, 5 passes
    assert [rising.at(step).alpha for step in (1, 20, 21, 81, 100)] == pytest.approx([1.0, 1.0, 0.8, 0.2, 0.2])
    constant = plan("loss:alpha={schedule: constant, start: 0.7}")
    assert {constant.at(step).alpha for step in range(1, 101)} == {0.7}


def test_beta_ramp() -> None:
    ramp = "{name: joint, beta: 0.2, beta_end: 0.8}"
    laid = plan("loss:beta=0.3", f"train:stages=[{{name: joint, iterations: 50}}, {ramp}]")
    assert {laid.at(step).beta for step in range(1, 51)} == {0.3}
    assert [laid.at(step).beta for step in (51, 100)] == pytest.approx([0.2, 0.8])
    assert laid.at(60).beta == pytest.approx(0.2 + 0.6 * 9 / 49)


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
def test_learning_rate_warms_up_and_decays_in_each_stage(kind: str) -> None:
    laid = plan(
        f"train:scheduler={{type: {kind}, warmup_iter: 4, final: {0.0 if kind == 'constant' else 0.1}}}",
        "train:optimizer:lr=0.01",
        "train:stages=[{name: sr, iterations: 40}, {name: joint, lr: 0.1, sr_lr_factor: 0.5}]",
    )
    for first, length, rate in ((1, 40, 0.01), (41, 60, 0.1)):
        rates = [laid.at(step).lr for step in range(first, first + length)]
        assert rates[:4] == pytest.approx([rate * n / 5 for n in (1, 2, 3, 4)])
        assert rates[4] == pytest.approx(rate)
        decayed = [decay(kind, n / (length - 4)) * rate for n in range(length - 4)]
        assert rates[4:] == pytest.approx(decayed)
    assert laid.at(10).sr_lr == laid.at(10).lr
    assert laid.at(50).sr_lr == pytest.approx(0.5 * laid.at(50).lr)


def decay(kind: str, progress: float) -> float:
    if kind == "constant":
        return 1.0
    fall = 1 - progress if kind == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return 0.1 + 0.9 * fall


def test_warmup_longer_than_the_stage_stays_finite() -> None:
    laid = plan("train:scheduler:warmup_iter=500", "train:optimizer:lr=2e-3")
    assert [laid.at(step).lr for step in (1, 100)] == pytest.approx([2e-3 / 101, 2e-3 * 100 / 101])
