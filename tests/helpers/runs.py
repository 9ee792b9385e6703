"""Help for the tests of the engine: the smallest experiment, and scripts run here or in another process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from contracts.errors import UserError
from engine.options import Options
from engine.options.load import force, load_options, parse_options
from engine.train.build import build_schedule
from engine.train.stages import TrainingSchedule
from engine.train.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "tiny.yml"
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
    with pytest.raises(UserError) as caught:
        changed(*changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def train_here(options: Options, auto_resume: bool = False) -> None:
    """Train in this process, without W&B whatever the environment says."""
    from engine.train.run import train

    with mock.patch.dict(os.environ, WANDB_MODE="disabled"):
        train(options, auto_resume)


def run_here(script: str, *arguments: object, cwd: Path) -> Outcome:
    """Run a script of the checkout in this process, as ``python script arguments`` would in ``cwd``."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", [script, *map(str, arguments)]),
        mock.patch.dict(os.environ, WANDB_MODE="disabled"),
    ):
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except SystemExit as exit_:
            code = exit_.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def start(*command: object, cwd: Path, **more: object) -> subprocess.Popen[str]:
    """Start ``python command`` in another process, its output to be read at the end; ``more`` is for Popen."""
    chosen = {"OMP_NUM_THREADS": str(torch.get_num_threads()), "WANDB_MODE": "disabled", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **chosen},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def finish(process: subprocess.Popen[str], timeout: float = 300) -> Outcome:
    """Wait for a process and return how it ended."""
    out, err = process.communicate(timeout=timeout)
    return Outcome(process.returncode, out, err)


def assert_error(outcome: Outcome, *told: str) -> None:
    """Exit code 2 and one line on stderr, progress lines aside, that tells all of ``told``."""
    lines = [line for line in outcome.err.splitlines() if not re.match(r"\S+ \d+/\d+ \(", line)]
    assert outcome.code == 2 and len(lines) == 1 and lines[0].startswith("error: "), outcome
    assert [part for part in told if part not in lines[0]] == [], lines[0]


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """A disk on which no file can grow over ``size`` bytes: the system refuses the write, as a full one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_photographs(root: Path, sizes: dict[str, tuple[int, int]], crack: bool = True) -> Path:
    """Write ``root``/images and ``root``/masks, a pair of the given (height, width) for each stem."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for stem, (height, width) in sizes.items():
        image = rng.integers(90, 170, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        if crack:
            mask[height // 2 : height // 2 + 3] = 255
            image[mask > 0] = 30
        Image.fromarray(image).save(root / "images" / f"{stem}.png")
        Image.fromarray(mask).save(root / "masks" / f"{stem}.png")
    return root


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]


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


def begin(*command: object, cwd: Path) -> subprocess.Popen[str]:
    """Start a script as a terminal does: in a process group of its own, which Ctrl-C reaches as a whole."""
    return start(*command, cwd=cwd, process_group=0, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def stop(process: subprocess.Popen[str], ready: Callable[[], bool]) -> Outcome:
    """Press Ctrl-C as soon as ``ready``; nothing of its process group may be left when it has ended."""
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    outcome = finish(process)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return outcome


def on_two_processes(script: str, *arguments: object, cwd: Path) -> Outcome:
    """Run a script of the checkout under torchrun."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]
    return finish(start(*launcher, ROOT / script, *arguments, cwd=cwd))


def plan(*changes: str, images: int = 12) -> TrainingSchedule:
    return build_schedule(tiny(Path("nowhere"), "train:total_iter=100", *changes), images)


def change_config(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
