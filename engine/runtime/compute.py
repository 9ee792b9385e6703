"""What work costs: multiply-adds, wall time, memory."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

MIB = 2**20


def _of_convolution_backward(
    gradient: Sequence[int],
    image: Sequence[int],
    weight: Sequence[int],
    bias: object,
    stride: object,
    padding: object,
    dilation: object,
    transposed: bool,
    output_padding: object,
    groups: int,
    wanted: Sequence[bool],
    out_shape: object = None,
) -> int:
    """Operations (two a multiply-add) of aten::convolution_backward: the forward's for each gradient that is wanted.

    torch's own formula knows no groups: of a depthwise convolution it counts the gradient of the weights as many times
    over as there are channels.
    """
    positions = (image if transposed else gradient)[2:]
    return 2 * image[0] * math.prod(positions) * math.prod(weight) * sum(wanted[:2])


class MultiplyAdds:
    """Their number once ``counting()`` is over, of convolutions and matrix products, forward and backward."""

    def __init__(self) -> None:
        self.number = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is computed inside; values are those computed without."""
        formulas = {torch.ops.aten.convolution_backward: _of_convolution_backward}
        with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
            yield
        self.number = counter.get_total_flops() // 2  # it counts a multiply-add as two operations


class TrainingCost:
    """The sums of a training, also over resumes.

    Attributes:
        multiply_adds: of all steps and processes; None where they cannot be counted (compiled networks).
        seconds: spent in steps and in waiting for their data, not in validations; None where earlier ones are unknown.
    """

    def __init__(self, processes: int = 1, countable: bool = True) -> None:
        self.multiply_adds: int | None = 0 if countable else None
        self.seconds: float | None = 0.0
        self._processes = processes
        self._of_step: dict[Hashable, int] = {}

    @contextmanager
    def step(self, kind: Hashable = None) -> Iterator[None]:
        """One step; the first one of its kind in a stage is counted, the others are taken to cost as much.

        Args:
            kind: of work, where the steps of a stage differ.
        """
        if self.multiply_adds is None:
            yield
            return
        if kind not in self._of_step:
            counter = MultiplyAdds()
            with counter.counting():
                yield
            self._of_step[kind] = counter.number
        else:
            yield
        self.multiply_adds += self._of_step[kind] * self._processes

    def took(self, seconds: float) -> None:
        """Add the time of a step."""
        if self.seconds is not None:
            self.seconds += seconds

    def new_stage(self) -> None:
        """Steps cost something else from here on."""
        self._of_step = {}

    def load(self, earlier: Mapping[str, Any]) -> None:
        """Go on from what ``facts`` gave; files of earlier versions hold nothing, and then the sums are unknown."""
        counted = earlier.get("multiply_adds")
        self.multiply_adds = None if counted is None or self.multiply_adds is None else int(counted)
        self.seconds = earlier.get("seconds")

    def facts(self, device: torch.device) -> dict[str, Any]:
        """What a checkpoint keeps: multiply_adds, seconds, peak_memory_mib (of this process), device."""
        return {
            "multiply_adds": self.multiply_adds,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "peak_memory_mib": round(peak_memory(device) / MIB),
            "device": device.type,
        }


def peak_memory(device: torch.device) -> int:
    """The most memory that this process has held at once, bytes: on a GPU what was allocated there."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere
