"""Times of several ways to do one thing, taken in turn, so that a change of the machine's mood hits them all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence

import torch

Work = Callable[[], object]


def alternate(works: Sequence[Work], rounds: int, finish: Work | None = None) -> list[float]:
    """Time several works in turn, after one round that is not counted.

    The order turns by one from round to round, so that none always runs behind the same other. Garbage is collected
    before a work and not while it runs.

    Args:
        works: what to time.
        rounds: number of counted rounds.
        finish: what to wait with until a device is done.

    Returns:
        Median seconds of each work.
    """
    times: list[list[float]] = [[] for _ in works]
    gc.collect()
    gc.freeze()  # collections between the runs then look at what the runs left alone
    try:
        for number in range(rounds + 1):
            for offset in range(len(works)):
                index = (number + offset) % len(works)
                seconds = timed(works[index], finish)
                if number:
                    times[index].append(seconds)
    finally:
        gc.unfreeze()
    return [statistics.median(values) for values in times]


def timed(work: Work, finish: Work | None = None) -> float:
    """Seconds of one run.

    Args:
        work: what to time.
        finish: what to wait with until a device is done.
    """
    gc.collect()
    gc.disable()
    try:
        if finish is not None:
            finish()
        began = time.perf_counter()
        result = work()
        if finish is not None:
            finish()
        seconds = time.perf_counter() - began
        del result  # freeing it belongs to no side
        return seconds
    finally:
        gc.enable()


def finisher(device: torch.device) -> Work | None:
    """What waits until ``device`` has done all that was asked of it; None on a CPU, which does it at once."""
    if device.type == "cpu":
        return None
    return torch.get_device_module(device).synchronize
