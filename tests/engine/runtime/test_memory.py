"""Freed memory is kept: seen from the pages that the system has to bring in each training step."""

import subprocess
import sys

import pytest

from tests.helpers.runs import ROOT

PROGRAM = """
import resource, sys, torch
from engine.runtime.memory import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(3)
layers = [torch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)]
network = torch.nn.Sequential(*(module for layer in layers for module in (layer, torch.nn.LeakyReLU())))
image = torch.rand(4, 16, 128, 128)
def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        network(image).square().mean().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(10)
print(faults(10))
"""


def page_faults(way: str) -> int:
    """Page faults of ten training steps of a small network, after ten to warm up."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, way], cwd=ROOT, capture_output=True, text=True, timeout=120)
    if run.returncode == 3:
        pytest.skip("no glibc: nothing to set")
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_freed_tensors_are_used_again() -> None:
    given_back, kept = page_faults("plain"), page_faults("kept")
    assert kept < 0.2 * given_back
