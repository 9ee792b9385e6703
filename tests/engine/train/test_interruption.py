"""Ctrl-C: one line, exit code 130, nothing lost, no process left behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from contracts.errors import UserError
from engine.evaluate.evaluator import Evaluator
from engine.train.interruption import Interruption, Stopped
from engine.train.trainer import Trainer
from tests.helpers.processes import begin, stop
from tests.helpers.run_records import assert_same_run, experiment, load, log_of
from tests.helpers.runs import ROOT, TINY, TRAIN, run_here, tiny, train_here

CHANGES = ["val:val_freq=3", "network_seg:dropout=0.3"]


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    """Ctrl-C as Python has it, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


# -- the context ----------------------------------------------------------------------------------


def test_the_first_waits_and_the_second_does_not() -> None:
    with Interruption() as interruption:
        interruption.check()
        press()
        with pytest.raises(Stopped):
            interruption.check()
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_inactive_stops_at_once() -> None:
    with Interruption(active=False), pytest.raises(KeyboardInterrupt):
        press()


def test_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interruption() as interruption:
        press()
        interruption.check()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


# -- a training in this process -------------------------------------------------------------------


def press_in_step(step: int, patch: pytest.MonkeyPatch, before: Callable[[Trainer], None] | None = None) -> None:
    """Ctrl-C in the middle of a step."""
    take = Trainer._train_step

    def pressed(trainer, batch, moment):
        if moment.step == step:
            press()
            if before is not None:
                before(trainer)
        return take(trainer, batch, moment)

    patch.setattr(Trainer, "_train_step", pressed)


def press_in_validation(step: int, patch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at the first photograph of the validation after ``step``."""
    score, take = Evaluator._predict, Trainer._train_step
    now = [0]

    def note(trainer, batch, moment):
        now[0] = moment.step
        return take(trainer, batch, moment)

    def pressed(evaluator, *args):
        if now[0] == step:
            now[0] = -1
            press()
        return score(evaluator, *args)

    patch.setattr(Trainer, "_train_step", note)
    patch.setattr(Evaluator, "_predict", pressed)


@pytest.mark.parametrize(
    ("where", "step"), [(press_in_step, 2), (press_in_step, 3), (press_in_validation, 3), (press_in_validation, 6)]
)
def test_stopped_and_resumed_is_like_never_stopped(
    where: Callable, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_here(tiny(whole, *CHANGES))
    with monkeypatch.context() as patch:
        where(step, patch)
        with pytest.raises(KeyboardInterrupt, match=f"^step {step} is saved; to go on: python .*--auto_resume$"):
            train_here(tiny(stopped, *CHANGES))
    assert load(experiment(stopped).state)["step"] == step
    train_here(tiny(stopped, *CHANGES), auto_resume=True)
    assert_same_run(whole, stopped)
    assert [entry["step"] for entry in log_of(stopped) if "val/degraded/aiu" in entry] == [3, 6]
    assert load(experiment(whole).best)["step"] == load(experiment(stopped).best)["step"]


def test_the_command_line_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    press_in_step(2, monkeypatch)
    command = [*TRAIN, "wandb:group=my group"]
    outcome = run_here(*command, cwd=tmp_path)
    last = outcome.err.splitlines()[-1]
    resume = f"python {ROOT / 'train_joint.py'} -opt {TINY} --force_yml 'wandb:group=my group' --auto_resume"
    assert (outcome.code, last) == (130, f"stopped by Ctrl-C: step 2 is saved; to go on: {resume}")
    monkeypatch.undo()
    assert "resuming after step 2" in run_here(*command, "--auto_resume", cwd=tmp_path).out


def test_a_training_that_has_run_away_does_not_replace_what_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruin(trainer: Trainer) -> None:
        with torch.no_grad():
            next(trainer.model.parameters()).fill_(float("nan"))

    press_in_step(4, monkeypatch, ruin)
    with pytest.raises(UserError, match="not finite at step 4"):
        train_here(tiny(tmp_path, "logger={print_freq: 50, save_checkpoint_freq: 2}"))
    assert load(experiment(tmp_path).state)["step"] == 2


# -- from another process -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_with_loader_processes_saves_its_last_step(tmp_path: Path) -> None:
    changes = ["train:total_iter=5000", "datasets:train:loader:workers=2"]
    process = begin(*TRAIN, *changes, cwd=tmp_path)
    outcome = stop(process, lambda: len(log_of(tmp_path)) >= 2)
    state = load(experiment(tmp_path).state)
    *progress, last = outcome.err.splitlines()
    assert outcome.code == 130 and last.startswith(f"stopped by Ctrl-C: step {state['step']} is saved; to go on: ")
    assert all(line.startswith("tiny ") for line in progress), outcome.err
    assert state["step"] == log_of(tmp_path)[-1]["step"] >= 2
    assert load(experiment(tmp_path).latest)["step"] == state["step"]


@pytest.mark.slow
def test_an_evaluation_stops_in_one_line_and_leaves_no_results(tiny_weights: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = (
        "import pathlib, runpy, sys\nfrom engine.evaluate.evaluator import Evaluator\npredict = Evaluator._predict\n"
        f"def told(*given):\n    pathlib.Path({str(started)!r}).touch()\n    return predict(*given)\n"
        f"Evaluator._predict = told\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    (tmp_path / "told.py").write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.argv.pop(0)\n{script}")
    change = ["--force_yml", "datasets:test:count=500"]
    process = begin("told.py", ROOT / "evaluate.py", "--weights", tiny_weights, "--out", "out", *change, cwd=tmp_path)
    outcome = stop(process, started.exists)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "stopped by Ctrl-C")
    assert all(line.startswith("evaluating ") for line in outcome.err.splitlines()[:-1]), outcome.err
    assert not (tmp_path / "out").exists()
