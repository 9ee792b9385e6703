"""The GPU's way through networks, losses, degradations and a training step, on a machine that need not have one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import backend_registration

from tests.helpers.fake_device import FakeDevice
from tests.helpers.fake_device_cases import DIFFERENTIATED, GROUPS
from tests.helpers.runs import ROOT


def faults(device: str, group: str) -> dict[str, str]:
    """What went wrong with the cases of a group there, by name; run by a process of their own."""
    environment = {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.fake_device_cases", device, group],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    asked = [name for name in GROUPS[group] if device == "cuda" or name in DIFFERENTIATED]
    ended = f"its process ended with {done.returncode}: {done.stderr[-2000:]}"
    return {name: lines.get(name, ended) for name in asked if lines.get(name) != "ok"}


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_all_of_it_runs_on_cuda(group: str) -> None:
    assert faults("cuda", group) == {}


@pytest.mark.slow
@pytest.mark.parametrize("group", ["networks", "training"])
def test_backward_passes_run_on_a_stand_in(group: str) -> None:
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch has no devices written in Python")
    assert faults("stand_in", group) == {}


class Adds(nn.Module):
    """Adds a constant that is kept as a tensor, as a buffer, or made in each forward pass."""

    def __init__(self, kept: str) -> None:
        super().__init__()
        self.kept = kept
        if kept == "buffer":
            self.register_buffer("constant", torch.ones(3, 1, 1))
        elif kept == "attribute":
            self.constant = torch.ones(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + (torch.ones(3, 1, 1) if self.kept == "made" else self.constant)


@pytest.mark.parametrize("kept", ["attribute", "made"])
def test_a_constant_on_the_cpu_is_found(kept: str) -> None:
    device = FakeDevice("cuda")
    with device.active(), pytest.raises(RuntimeError, match="two devices, cuda:0 and cpu"):
        device.build(Adds, kept)(device.rand(1, 3, 4, 4))


def test_a_result_on_the_cpu_is_found() -> None:
    device = FakeDevice("cuda")
    with device.active():
        device.check(device.build(Adds, "buffer")(device.rand(1, 3, 4, 4)))
        with pytest.raises(AssertionError, match="on cpu"):
            device.check(torch.ones(3))


def test_the_numbers_of_a_gpu_are_not_fetched_unseen() -> None:
    device = FakeDevice("cuda")
    with device.active(), pytest.raises(Exception, match="_local_scalar_dense|numpy"):
        device.rand(1).item()


def test_what_cuda_refuses_under_autocast_is_found() -> None:
    device = FakeDevice("cuda")
    with device.active(), device.autocast():
        assert functional.conv2d(device.rand(1, 3, 8, 8), device.rand(4, 3, 3, 3)).dtype == torch.bfloat16
        with pytest.raises(RuntimeError, match="unsafe to autocast"):
            functional.binary_cross_entropy(device.rand(4), device.rand(4))
