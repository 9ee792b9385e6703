"""Help for the tests of the engine: the smallest experiment, and scripts run here or in another process."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from engine.options import Options
from engine.options_file import load_options

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "tests" / "tiny.yml"


@dataclass(frozen=True)
class Outcome:
    """How a script ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def tiny(folder: Path, *changes: str) -> Options:
    """The options of the smallest experiment, below ``folder``/experiments."""
    return load_options(TINY, [f"path:experiments_root={folder / 'experiments'}", *changes])


def train_here(options: Options, auto_resume: bool = False) -> None:
    """Train in this process, without W&B whatever the environment says."""
    from engine.session import train

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


def start(*command: object, cwd: Path) -> subprocess.Popen[str]:
    """Start ``python command`` in another process, its output to be read at the end."""
    chosen = {"OMP_NUM_THREADS": str(torch.get_num_threads()), "WANDB_MODE": "disabled", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=cwd, env={**os.environ, **chosen}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str], timeout: float = 300) -> Outcome:
    """Wait for a process and return how it ended."""
    out, err = process.communicate(timeout=timeout)
    return Outcome(process.returncode, out, err)


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
