"""Batches taken in parts: the same training in less memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contracts.records import HRBatch, micro_batches
from tests.helpers.run_records import losses_of
from tests.helpers.runs import option_error, tiny, train_here

SR_ALONE = ["train:total_iter=5", "train:stages=[{name: sr}]", "val:val_freq=0", "datasets:train:loader:batch_size=4"]


def test_parts_give_the_losses_of_the_whole(tmp_path: Path) -> None:
    """Without batch norm nothing but rounding tells them apart."""
    runs = {}
    for parts in (1, 2, 4):
        folder = tmp_path / str(parts)
        train_here(tiny(folder, *SR_ALONE, f"train:accumulate_grad_batches={parts}"))
        runs[parts] = losses_of(folder)
    assert len(runs[1]) == 5 and len(set(runs[1])) == 5
    for parts in (2, 4):
        assert runs[parts] == pytest.approx(runs[1], rel=1e-4)


def test_records_are_cut_in_order() -> None:
    hr, mask = torch.arange(4.0).reshape(4, 1, 1, 1), torch.zeros(4, 1, 1, 1)
    parts = micro_batches(HRBatch(hr, mask, ("a", "b", "c", "d"), (0, 0, 1, 1)), 2)
    assert [part.hr.flatten().tolist() for part in parts] == [[0, 1], [2, 3]]
    assert [part.name for part in parts] == [("a", "b"), ("c", "d")] and parts[1].epoch == (1, 1)
    assert parts[0].distance is None
    with pytest.raises(ValueError, match="4 samples cannot be cut into 3"):
        micro_batches(HRBatch(hr, mask, ("a", "b", "c", "d"), (0, 0, 1, 1)), 3)


def test_parts_must_divide_the_batch() -> None:
    assert "train.accumulate_grad_batches 4 does not divide datasets.train.loader.batch_size 6" in option_error(
        "train:accumulate_grad_batches=4"
    )


def test_degraded_by_the_loader_it_learns_the_same(tmp_path: Path) -> None:
    """Degraded by the same numbers in either process."""
    runs = {}
    for where in ("false", "true"):
        changes = ("datasets:train:loader:workers=1", f"datasets:train:loader:degrade_in_workers={where}")
        train_here(tiny(tmp_path / where, *SR_ALONE, *changes))
        runs[where] = losses_of(tmp_path / where)
    assert len(runs["true"]) == 5 and runs["true"] == pytest.approx(runs["false"], rel=1e-4)
