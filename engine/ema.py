"""Exponential moving average of a model's weights (Polyak averaging), with a warm-up."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """Keeps ``average``, a copy of a model whose weights follow it slowly; decay 0 copies it.

    Buffers (batch-norm statistics) are copied. At update t the decay is
    min(decay, (1 + t) / (10 + t)), so that the first steps do not hold the average back.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards ``model``."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, values = list(self.average.parameters()), [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(averages, values, 1 - decay)
        for average, value in zip(self.average.buffers(), model.buffers(), strict=True):
            average.copy_(value)

    def state_dict(self) -> dict:
        return {"updates": self.updates, "average": self.average.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state["updates"]
        self.average.load_state_dict(state["average"])
