"""Made-up weights of the fixtures: a rule from each tensor's name, so that no weights are stored."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def synthesise(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Return float64 tensors for the authors' full names (with prefix) and shapes."""
    return {key: torch.as_tensor(synthesise_one(key, tuple(shape))) for key, shape in shapes.items()}


def synthesise_one(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of one name: standard normals seeded by its CRC-32, scaled by what the name says it is."""
    kind = key.rsplit(".", 1)[-1]
    if kind == "num_batches_tracked":
        return np.zeros(shape, dtype=np.int64)
    normal = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
    if kind == "running_mean":
        return 0.1 * normal
    if kind == "running_var":
        return 1 + 0.1 * np.abs(normal)
    if kind == "bias":
        return 0.05 * normal
    if len(shape) == 1:
        return np.full(shape, 0.25) if shape[0] == 1 else 1 + 0.1 * normal
    gain = 2 if key.startswith("sr_model.") else 1
    return normal * math.sqrt(gain / math.prod(shape[1:]))
