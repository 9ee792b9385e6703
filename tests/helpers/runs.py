"""Help for the tests of the engine: the smallest experiment, and scripts run here or in another process."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from engine.options import Options
from engine.options.load import force, load_options, parse_options
from engine.train.build import build_schedule
from engine.train.stages import TrainingSchedule
from engine.train.trainer import Trainer
from tests.helpers.errors import error_of

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "tiny.yml"
TRAIN = (ROOT / "train_joint.py", "-opt", TINY, "--force_yml")
RESUME = (ROOT / "train_joint.py", "-opt", TINY, "--auto_resume", "--force_yml")
MINIMAL = {
    "name": "minimal",
    "datasets": {"train": {"count": 4, "augmentation": {"crop": 64}}},
    "network_sr": {"type": "bicubic"},
    "network_seg": {"type": "fpn"},
    "train": {"total_iter": 10, "stages": [{"name": "seg"}]},
}


@dataclass(frozen=True)
class Outcome:
    """How a script ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def tiny(folder: Path, *changes: str) -> Options:
    """The options of the smallest experiment, below ``folder``/experiments."""
    return load_options(TINY, [f"path:experiments_root={folder / 'experiments'}", *changes])


def changed(*changes: str) -> Options:
    """The minimal options with changes, as --force_yml gives them."""
    return parse_options(force(MINIMAL, changes), "minimal.yml")


def option_error(*changes: str) -> str:
    """What is said about the minimal options with wrong changes: one line."""
    return error_of(changed, *changes)


def train_here(options: Options, auto_resume: bool = False) -> None:
    """Train in this process, without W&B whatever the environment says."""
    from engine.train.run import train

    with mock.patch.dict(os.environ, WANDB_MODE="disabled"):
        train(options, auto_resume)


def run_here(script: str | Path, *arguments: object, cwd: Path) -> Outcome:
    """Run a script of the checkout in this process, as ``python script arguments`` would in ``cwd``."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", [str(script), *map(str, arguments)]),
        mock.patch.dict(os.environ, WANDB_MODE="disabled"),
    ):
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except SystemExit as exit_:
            code = exit_.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def run_well(script: str | Path, *arguments: object, cwd: Path) -> Outcome:
    """The same of a script that has to end well."""
    outcome = run_here(script, *arguments, cwd=cwd)
    assert outcome.code == 0, outcome
    return outcome


def assert_error(outcome: Outcome, *told: str) -> None:
    """Exit code 2 and one line on stderr, progress lines aside, that tells all of ``told``."""
    lines = [line for line in outcome.err.splitlines() if not re.match(r"\S+ \d+/\d+ \(", line)]
    assert outcome.code == 2 and len(lines) == 1 and lines[0].startswith("error: "), outcome
    assert [part for part in told if part not in lines[0]] == [], lines[0]


class PowerCut(Exception):
    """Training stops dead."""


def train_until(options: Options, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and stop dead when ``step`` is about to be taken."""
    take = Trainer._train_step

    def refuse(trainer, batch, moment):
        if moment.step == step:
            raise PowerCut
        return take(trainer, batch, moment)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", refuse)
        with pytest.raises(PowerCut):
            train_here(options)


def plan(*changes: str, images: int = 12) -> TrainingSchedule:
    return build_schedule(tiny(Path("nowhere"), "train:total_iter=100", *changes), images)
