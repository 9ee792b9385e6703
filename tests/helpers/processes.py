"""Scripts run in processes of their own: started, waited for, stopped, on two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.runs import ROOT, Outcome

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2)


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


def on_two_processes(script: str, *arguments: object, cwd: Path) -> Outcome:
    """Run a script of the checkout under torchrun."""
    return finish(start(*TORCHRUN, ROOT / script, *arguments, cwd=cwd))


def wait_for(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Wait until ``ready``, which has to be while the process still runs."""
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(*command: object, cwd: Path) -> subprocess.Popen[str]:
    """Start a script as a terminal does: in a process group of its own, which Ctrl-C reaches as a whole."""
    return start(*command, cwd=cwd, process_group=0, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def stop(process: subprocess.Popen[str], ready: Callable[[], bool]) -> Outcome:
    """Press Ctrl-C as soon as ``ready``; nothing of its process group may be left when it has ended."""
    wait_for(process, ready)
    os.killpg(process.pid, signal.SIGINT)
    outcome = finish(process)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return outcome
