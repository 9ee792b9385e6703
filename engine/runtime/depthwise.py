"""Depthwise convolutions of a bfloat16 training on CPUs, in float32: their gradients are slow in bfloat16 (oneDNN).

A depthwise convolution has few multiply-adds for the values that it reads, so that bfloat16 gains nothing in its
forward, and its gradient, above all with strides, takes three to ten times as long as in float32
(``python -m benchmarks --only depthwise``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_MADE: dict[type[nn.Conv2d], type[nn.Conv2d]] = {}


def _in_float32(base: type[nn.Conv2d]) -> type[nn.Conv2d]:
    """A subclass of a convolution's class that takes and returns what it did, and computes in float32."""

    def forward(self: nn.Conv2d, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return base.forward(self, x)
        with torch.autocast("cpu", enabled=False):
            return base.forward(self, x.float()).to(torch.get_autocast_dtype("cpu"))

    return type(base.__name__, (base,), {"forward": forward, "__doc__": base.__doc__})


def depthwise_in_float32(model: nn.Module) -> None:
    """Let the depthwise convolutions of a model, in place, compute in float32 where autocast on a CPU would not.

    Weights, their names and the types of inputs and outputs stay.

    Args:
        model: with any layers.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.in_channels == module.groups:
            base = type(module)
            module.__class__ = _MADE[base] = _MADE.get(base) or _in_float32(base)
