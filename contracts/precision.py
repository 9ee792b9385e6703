"""One way to leave half precision where rounding would show: float32, or better where it is better already."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor


def wide_type(*tensors: Tensor) -> torch.dtype:
    """The type that holds all of them without loss, at least float32."""
    return reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` in float32 if it is in half precision, unchanged otherwise."""
    wide = wide_type(x)
    return x if x.dtype == wide else x.to(wide)
