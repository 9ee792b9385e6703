"""What the machine can do at best: its matrix product and its copying, measured the way the benchmarks are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from benchmarks.timing import alternate, finisher
from engine.runtime.compute import MultiplyAdds

ROUNDS = 5
Result = TypeVar("Result")


def matmul_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """Floating-point operations per second of a product of two matrices.

    Args:
        device: that multiplies.
        dtype: of the matrices.
        side: they are [side,side]; a product takes 2 side^3 operations.
    """
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds = alternate([lambda: a @ b], ROUNDS, finisher(device))[0]
    return 2 * side**3 / seconds


def copy_rate(device: torch.device, megabytes: int) -> float:
    """Bytes per second read and written by a copy.

    Args:
        device: that copies.
        megabytes: MiB; several times the caches' size measures memory.
    """
    source = torch.zeros(megabytes * 2**20, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    seconds = alternate([lambda: target.copy_(source)], ROUNDS, finisher(device))[0]
    return 2 * source.numel() / seconds


def counted(work: Callable[[], Result]) -> tuple[Result, int]:
    """What ``work()`` returns, and its operations: convolutions and matrix products, two for a multiply-add.

    Backward passes count too. Fourier transforms, element-wise work and everything outside torch do not.
    """
    counter = MultiplyAdds()
    with counter.counting():
        result = work()
    return result, 2 * counter.number
