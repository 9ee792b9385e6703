"""Training from the command line: killed and resumed, on two processes, run twice, gone wrong."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.errors import UserError
from engine.build.data import build_dataset, build_source
from engine.options import Options
from tests.helpers.folders import contents
from tests.helpers.processes import TORCHRUN, finish, start, wait_for
from tests.helpers.run_records import assert_same_run, experiment, load, log_of, losses_of
from tests.helpers.runs import RESUME, TRAIN, assert_error, run_here, run_well, tiny, train_here, train_until
from tracking.keys import TRAIN_LOSS

LONG = [
    "train:total_iter=14",
    "logger:save_checkpoint_freq=4",
    "val:val_freq=5",
    "train:stages=[{name: sr, iterations: 5}, {name: joint}]",
    "network_seg:dropout=0.3",
]


# -- killed and resumed ---------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_and_resumed_is_like_never_stopped(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    killed.mkdir()
    command = [*RESUME, *LONG, "datasets:train:loader:workers=1"]
    process = start(*command, cwd=killed)
    wait_for(process, lambda: any(entry["step"] >= 6 for entry in log_of(killed)))
    process.kill()
    assert finish(process).code == -signal.SIGKILL
    stopped_at = load(experiment(killed).state)
    assert 4 <= stopped_at["step"] < 14
    process = start(*command, cwd=killed)
    train_here(tiny(whole, *LONG))
    resumed = finish(process)
    assert resumed.code == 0, resumed.err
    assert f"resuming after step {stopped_at['step']}" in resumed.out
    assert [entry["step"] for entry in log_of(killed) if TRAIN_LOSS in entry] == list(range(1, 15))
    assert_same_run(whole, killed)
    assert load(experiment(killed).state)["run_id"] == stopped_at["run_id"]
    assert not list((killed / "experiments").glob("*_archived_*"))


def with_teacher(folder: Path) -> Options:
    return tiny(
        folder,
        "loss:teacher_weight=0.5",
        "train:total_iter=8",
        "network_seg:dropout=0.3",
        "train:stages=[{name: seg_hr, iterations: 3}, {name: joint}]",
        "logger={print_freq: 4, save_checkpoint_freq: 3}",
    )


def test_resuming_at_a_stage_boundary_with_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_here(with_teacher(tmp_path / "whole"))
    logged = log_of(tmp_path / "whole")
    assert [entry["step"] for entry in logged] == [1, 4, 8]  # each a mean over the steps before
    assert ["train/teacher" in entry for entry in logged] == [False, True, True]
    for stop, saved in ((5, 3), (8, 6)):
        folder = tmp_path / f"stopped_at_{stop}"
        train_until(with_teacher(folder), stop, monkeypatch)
        assert load(experiment(folder).state)["step"] == saved
        train_here(with_teacher(folder), auto_resume=True)
        assert_same_run(tmp_path / "whole", folder)


def test_nothing_to_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_here(tiny(tmp_path, "train:total_iter=1"), auto_resume=True)  # no state yet: starts
    before = experiment(tmp_path).state.read_bytes()
    train_here(tiny(tmp_path, "train:total_iter=1"), auto_resume=True)
    assert "nothing to resume" in capsys.readouterr().out
    assert experiment(tmp_path).state.read_bytes() == before


def test_samples_do_not_depend_on_where_they_lie_in_memory(tmp_path: Path) -> None:
    """Libraries may use other instructions for other addresses: the last digit must not follow."""
    options = tiny(tmp_path)
    dataset = build_dataset(options, build_source(options.datasets.train, "datasets.train"))
    first = [dataset[0, index] for index in range(len(dataset))]
    for size in range(1, 40):
        held = [np.empty(size * 16 + index, np.uint8) for index in range(size)]  # moves what is made next
        for index, sample in enumerate(first):
            again = dataset[0, index]
            assert torch.equal(again.hr, sample.hr) and torch.equal(again.distance, sample.distance), (size, index)
        del held


# -- two processes --------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_start_like_one(tmp_path: Path) -> None:
    changes = [
        "train:total_iter=2",
        "datasets:train:loader:batch_size=4",
        "datasets:train:augmentation:crop=64",
        "train:stages=[{name: joint, iterations: 1, lr: 1e-6}, {name: seg}]",
    ]
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    process = start(*TORCHRUN, *TRAIN, *changes, cwd=two)
    train_here(tiny(one, *changes))
    outcome = finish(process)
    assert outcome.code == 0, outcome.err
    expected, found = log_of(one), log_of(two)
    assert [entry["step"] for entry in found] == [1, 2]
    first = {key: value for key, value in expected[0].items() if key != "train/grad_norm"}
    assert {key: found[0][key] for key in first} == pytest.approx(first, abs=1e-5)
    # batch norm over few pixels amplifies rounding in the gradient: in float64 the two agree to twelve digits
    assert found[0]["train/grad_norm"] == pytest.approx(expected[0]["train/grad_norm"], rel=3e-2)
    assert found[1][TRAIN_LOSS] == pytest.approx(expected[1][TRAIN_LOSS], abs=1e-3)
    resume = [*RESUME, *changes, "train:total_iter=3"]
    assert_error(run_here(*resume, cwd=two), "2 processes", "not 1")


# -- run twice, changed options -------------------------------------------------------------------


def test_a_second_run_moves_the_first_aside(tmp_path: Path) -> None:
    command = [*TRAIN, "train:total_iter=1"]
    run_well(*command, cwd=tmp_path)
    first = contents(experiment(tmp_path).folder)
    second = run_here(*command, "seed=5", cwd=tmp_path)
    (archived,) = (tmp_path / "experiments").glob("tiny_archived_*")
    assert contents(archived) == first
    assert f"experiments/{archived.name}" in second.out and "--auto_resume" in second.out
    assert load(experiment(tmp_path).latest)["options"]["seed"] == 5


def test_resuming_with_other_options_is_refused(tmp_path: Path) -> None:
    command = [*TRAIN]
    run_well(*command, "train:total_iter=1", cwd=tmp_path)
    before = contents(tmp_path)
    resume = [*RESUME, "train:total_iter=2"]
    outcome = run_here(*resume, "loss:beta=0.25", cwd=tmp_path)
    assert_error(outcome, "--auto_resume", "loss.beta", "experiments/tiny")
    outcome = run_here(*resume, "seed=2", "network_sr:width=12", cwd=tmp_path)
    assert_error(outcome, "network_sr.width", "1 more")
    assert contents(tmp_path) == before
    run_well(*resume, "logger:print_freq=2", "wandb:group=other", cwd=tmp_path)
    assert load(experiment(tmp_path).state)["step"] == 2


def test_an_option_that_is_newer_than_the_run_counts_as_its_default(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, "train:total_iter=1"))
    state = load(experiment(tmp_path).state)
    del state["options"]["loss"]["crack_oriented"]
    torch.save(state, experiment(tmp_path).state)
    with pytest.raises(UserError, match="loss.crack_oriented"):
        train_here(tiny(tmp_path, "train:total_iter=2", "loss:crack_oriented=0.5"), auto_resume=True)
    train_here(tiny(tmp_path, "train:total_iter=2"), auto_resume=True)
    assert load(experiment(tmp_path).state)["step"] == 2


def test_weights_are_no_training_state(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, "train:total_iter=1"))
    shutil.copy(experiment(tmp_path).latest, experiment(tmp_path).state)
    with pytest.raises(UserError, match="latest.state is no complete checkpoint .no entry 'trained'"):
        train_here(tiny(tmp_path, "train:total_iter=2"), auto_resume=True)


# -- going wrong, going right ---------------------------------------------------------------------


def test_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    steep = (
        "train:optimizer={type: sgd, lr: 1e-6}",
        "train:stages=[{name: joint, iterations: 2}, {name: joint, lr: 1e30}]",
    )
    logger = "logger={print_freq: 50, save_checkpoint_freq: 2}"
    outcome = run_here(*TRAIN, "train:total_iter=8", *steep, logger, cwd=tmp_path)
    assert_error(outcome, "not finite at step 4", "train.optimizer.lr", "checkpoint is kept")
    state = load(experiment(tmp_path).state)
    assert state["step"] == 2
    assert all(value.isfinite().all() for value in state["trained"].values())
    assert load(experiment(tmp_path).latest)["step"] == 2


def test_loss_that_is_not_finite_shows_at_the_next_line(tmp_path: Path) -> None:
    changes = ["train:optimizer={type: sgd, lr: 1e30}", "train:grad_clip=null"]
    with pytest.raises(UserError, match="not finite at step [23] .stage joint.*train.grad_clip"):
        train_here(tiny(tmp_path, *changes))


@pytest.mark.slow
def test_the_loss_goes_down(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, "train:total_iter=60"))
    losses = losses_of(tmp_path)
    assert sum(losses[-10:]) < 0.88 * sum(losses[:10])


@pytest.mark.parametrize(("best", "choose"), [("degraded/hd95", min), ("clean/psnr", max)])
def test_best_weights_are_those_of_the_best_validation(tmp_path: Path, best: str, choose) -> None:
    validation = f"val={{val_freq: 1, conditions: [clean, degraded], best: {best}}}"
    train_here(tiny(tmp_path, validation, "train:total_iter=4", "logger:print_freq=50"))
    measured = {entry["step"]: entry[f"val/{best}"] for entry in log_of(tmp_path) if f"val/{best}" in entry}
    assert list(measured) == [1, 2, 3, 4]
    assert measured[load(experiment(tmp_path).best)["step"]] == choose(measured.values())
    assert len(list(experiment(tmp_path).folder.glob("visualization/val/degraded/panel_0/*.png"))) == 4


def test_unknown_metric_for_the_best_weights_is_named_before_training(tmp_path: Path) -> None:
    change = "val={val_freq: 2, best: degraded/dise}"
    outcome = run_here(*TRAIN, change, cwd=tmp_path)
    assert_error(outcome, "val.best", "'dise'", "did you mean 'dice'?")
    assert not (tmp_path / "experiments").exists()
