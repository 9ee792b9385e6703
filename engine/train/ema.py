"""Exponential moving average of a model's weights (Polyak averaging), with a warm-up."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


class EMA(Generic[Model]):
    """Keeps ``average``, a copy of a model whose weights follow it slowly; decay 0 copies it.

    Batch-norm statistics are averaged as the weights are: those of the model's latest steps belong to other weights
    (``python -m benchmarks.averaging``). Counters are copied. At update t the decay is min(decay, (1 + t) / (10 + t)),
    so that the first steps do not hold the average back.

    Args:
        model: to be averaged.
        decay: in [0, 1).
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards ``model``."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, counters = _floating_and_whole(self.average)
        values, counts = _floating_and_whole(model)
        torch._foreach_lerp_(averages, values, 1 - decay)
        for counter, count in zip(counters, counts, strict=True):
            counter.copy_(count)

    def state_dict(self) -> dict:
        return {"updates": self.updates, "average": self.average.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state["updates"]
        self.average.load_state_dict(state["average"])


def _floating_and_whole(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """A model's weights and statistics, and its counters (whole numbers)."""
    tensors = [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
    whole = [tensor for tensor in tensors if not tensor.is_floating_point()]
    return [tensor for tensor in tensors if tensor.is_floating_point()], whole
