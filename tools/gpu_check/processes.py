"""Commands run in processes of their own: cut off in time, interrupted on demand, their memory on the GPU watched."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.memory import MIB
from tools.gpu_check.findings import Failed, Figure

ROOT = Path(__file__).resolve().parent.parent.parent
PAUSE = 0.05  # s between two looks at a process


class CutOff(Exception):
    """The time of a check was over before its work was done."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        code: of its exit.
        out: what it printed, both streams.
        seconds: that it took.
        peak: figures of its memory on the GPU, if any.
    """

    code: int
    out: str
    seconds: float
    peak: tuple[Figure, ...]

    def told(self) -> str:
        """Exit code and the last line that it printed."""
        return f"{self.code}: {(self.out.strip().splitlines() or ['no output'])[-1][-300:]}"

    def require(self, code: int = 0) -> Ended:
        """Itself, if it ended with ``code``. Raises Failed."""
        if self.code != code:
            raise Failed(f"exit code {self.told()}")
        return self


def environment(device: torch.device) -> dict[str, str]:
    """That of the commands: the checkout importable, W&B offline, and no GPU to be seen if the device is the CPU."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    variables.setdefault("WANDB_MODE", "offline")
    return {**variables, "CUDA_VISIBLE_DEVICES": ""} if device.type == "cpu" else variables


def run(
    command: Sequence[object],
    log: Path,
    device: torch.device,
    deadline: float,
    watch: Callable[[Path], bool] = lambda _: False,
) -> Ended:
    """Run ``python command``.

    Args:
        command: arguments of python.
        log: file that its output is kept in.
        device: that it may use.
        deadline: of time.monotonic(); the command and all that it started are then killed, and CutOff raised.
        watch: called again and again with the file of the output; once it returns True, Ctrl-C is sent.
    """
    began, interrupted, before = time.monotonic(), False, used(device)
    peak = before
    log.parent.mkdir(exist_ok=True)
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=log.parent,
            env=environment(device),
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise CutOff
                if watch(log) and not interrupted:
                    interrupted = True
                    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
                peak = max(peak, used(device))
                time.sleep(PAUSE)
        finally:
            kill_group(process)
    figures = () if device.type == "cpu" else (Figure("GPU memory of the process, MiB", peak - before),)
    return Ended(process.returncode, log.read_text("utf-8", "replace"), time.monotonic() - began, figures)


def kill_group(process: subprocess.Popen) -> None:
    """End a process and what is left of those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def used(device: torch.device) -> float:
    """MiB in use on a GPU by all processes together; 0 for the CPU."""
    if device.type == "cpu":
        return 0.0
    free, total = torch.get_device_module(device).mem_get_info(device)
    return (total - free) / MIB
