"""Memory layout of weights: channels last, in which convolutions are fastest on CPUs and GPUs."""

from __future__ import annotations

from itertools import chain
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def channels_last(model: Model) -> Model:
    """Lay out the 4-D weights of ``model`` channels last, in place, and return it.

    Unlike ``Module.to(memory_format=...)`` this leaves weights of five dimensions alone, instead of failing.
    """
    for tensor in chain(model.parameters(), model.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return model
