"""Training on two processes under torchrun: killed and resumed, it tells and leaves what an undisturbed one does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from tests.helpers.processes import TORCHRUN, finish, start
from tests.helpers.run_records import assert_same_run, experiment, load, log_of
from tests.helpers.runs import ROOT, TINY, tiny, train_here

CHANGES = [  # lines at steps 1, 4 and 8, the state saved between them
    "train:total_iter=8",
    "datasets:train:loader:batch_size=4",
    "network_seg:dropout=0.3",
    "logger={print_freq: 4, save_checkpoint_freq: 6}",
]


def killing_at(step: int, folder: Path) -> Path:
    """train_joint.py as a script that kills its own process, whichever it is, when ``step`` is about to be taken."""
    script = folder / "killing.py"
    script.write_text(
        f"import os, runpy, signal, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from engine.train.trainer import Trainer\ntake = Trainer._train_step\n"
        "def kill(trainer, batch, moment):\n"
        f"    if moment.step == {step}:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return take(trainer, batch, moment)\n"
        f"Trainer._train_step = kill\nrunpy.run_path({str(ROOT / 'train_joint.py')!r}, run_name='__main__')\n"
    )
    return script


def begin(script: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return start(*TORCHRUN, script, "-opt", TINY, *more, "--force_yml", *CHANGES, cwd=folder)


@pytest.mark.slow
def test_killed_and_resumed_on_two_processes_logs_what_an_undisturbed_run_does(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed = begin(ROOT / "train_joint.py", whole)
    assert finish(begin(killing_at(8, tmp_path), killed)).code != 0
    state = load(experiment(killed).state)
    assert state["step"] == 6
    first, second = (one["sums"]["loss"] for one in state["log"])
    assert first != second  # each process has seen photographs of its own
    resumed = finish(begin(ROOT / "train_joint.py", killed, "--auto_resume"))
    assert resumed.code == 0, resumed.err
    assert "resuming after step 6" in resumed.out
    outcome = finish(undisturbed)
    assert outcome.code == 0, outcome.err
    assert [entry["step"] for entry in log_of(killed)] == [1, 4, 8]
    assert_same_run(whole, killed)


def test_a_state_with_the_log_of_one_process_alone_can_be_resumed(tmp_path: Path) -> None:
    train_here(tiny(tmp_path, "train:total_iter=1"))
    state = load(experiment(tmp_path).state)
    state["log"] = state["log"][0]
    torch.save(state, experiment(tmp_path).state)
    train_here(tiny(tmp_path, "train:total_iter=2"), auto_resume=True)
    assert [entry["step"] for entry in log_of(tmp_path)] == [1, 2]
