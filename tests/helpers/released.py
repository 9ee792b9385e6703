"""Checkpoints under the authors' names, as files and as what is said about those that do not fit."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.helpers.errors import error_of
from tools.import_csbsr.released import converted
from tools.import_csbsr.variants import recognise


def small_file(state: dict[str, Tensor], path: Path) -> Path:
    """The state as a file of zeros that takes no more room than its names."""
    zeros = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    torch.save(zeros, path)
    return path


def refusal(state: dict[str, Tensor]) -> str:
    """What is said about a checkpoint that does not fit: one line."""
    return error_of(lambda: converted(recognise(state), state))
