"""A batch by hand, for steps of training without a loader."""

from __future__ import annotations

from pathlib import Path

import torch

from contracts.records import DegradedBatch
from engine.build.data import build_degradation
from tests.helpers.runs import tiny


def small_batch() -> DegradedBatch:
    """Two random crops of 32x32 with masks, degraded as the tiny options say; always the same."""
    generator = torch.Generator().manual_seed(1)
    hr = torch.rand(2, 3, 32, 32, generator=generator)
    mask = (torch.rand(2, 1, 32, 32, generator=generator) > 0.8).float()
    made = build_degradation(tiny(Path("nowhere")), "train")(hr, ("a", "b"), 0)
    return DegradedBatch(made.lr, hr, mask, made.kernel, ("a", "b"), torch.zeros_like(mask))
