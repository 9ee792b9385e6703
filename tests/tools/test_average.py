"""The mean of two weights: its numbers, what it counts as trained on, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contracts.errors import UserError
from engine.runtime.checkpoint import load_file, save_atomic
from tools import average


def written(path: Path, factor: float, step: int, digests: list[str], **more: torch.Tensor) -> Path:
    """Weights of one layer with batch norm, all numbers multiples of ``factor``."""
    model = {
        "seg.weight": factor * torch.arange(6.0).reshape(2, 3),
        "seg.running_var": torch.full((2,), factor),
        "seg.num_batches_tracked": torch.tensor(step),
        **more,
    }
    meta = {"git": f"commit{step}", "photographs": {"train": digests, "val": []}}
    save_atomic({"model": model, "step": step, "options": {"name": f"run{step}"}, "meta": meta}, path)
    return path


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    first = written(tmp_path / "a.pth", 1.0, 100, ["old", "both"])
    second = written(tmp_path / "b.pth", 3.0, 7, ["both", "new"])
    return [str(first), str(second)]


@pytest.mark.parametrize(("share", "factor"), [(0.5, 2.0), (0.25, 1.5)])
def test_numbers_lie_between(two: list[str], tmp_path: Path, share: float, factor: float) -> None:
    out = tmp_path / "new/models/latest.pth"
    average.main([*two, "--share", str(share), "--out", str(out)])
    averaged = load_file(out, "options", "step", "meta")
    torch.testing.assert_close(averaged["model"]["seg.weight"], factor * torch.arange(6.0).reshape(2, 3))
    torch.testing.assert_close(averaged["model"]["seg.running_var"], torch.full((2,), factor))
    assert averaged["model"]["seg.num_batches_tracked"] == averaged["step"] == 7 and averaged["options"] == {
        "name": "run7"
    }
    assert averaged["meta"] == {"git": "commit7", "photographs": {"train": ["both", "new", "old"], "val": []}}


def test_other_architectures_are_refused(two: list[str], tmp_path: Path) -> None:
    more = written(tmp_path / "c.pth", 1.0, 3, [], **{"seg.bias": torch.zeros(2)})
    with pytest.raises(UserError, match="1 tensors differ in name or shape \\(first: seg.bias\\)"):
        average.main([two[0], str(more), "--out", str(tmp_path / "d.pth")])
    other = written(tmp_path / "e.pth", 1.0, 3, [], **{"seg.weight": torch.zeros(2, 4)})
    with pytest.raises(UserError, match="first: seg.weight"):
        average.main([two[0], str(other), "--out", str(tmp_path / "d.pth")])
    assert not (tmp_path / "d.pth").exists()


def test_nothing_is_overwritten_and_shares_mean_something(two: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exists; give a new file"):
        average.main([*two, "--out", two[0]])
    with pytest.raises(UserError, match="--share 1.0"):
        average.main([*two, "--share", "1", "--out", str(tmp_path / "d.pth")])
    with pytest.raises(UserError, match="do not exist"):
        average.main([str(tmp_path / "no.pth"), two[1], "--out", str(tmp_path / "d.pth")])
