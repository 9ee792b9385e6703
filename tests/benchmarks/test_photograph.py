"""The photograph as a user meets it: drawn to size, timed from start to end, errors told."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.photograph import drawn, measured
from contracts.errors import UserError
from visualization.drawing import save_png


def test_parts_lie_beside_each_other() -> None:
    photo = drawn(100, 2, 3)
    assert photo.shape == (200, 300, 3)
    assert (photo[:100, :100] == drawn(100, 1, 1)).all()
    assert (
        len({photo[row : row + 100, column : column + 100].tobytes() for row in (0, 100) for column in (0, 100)}) == 4
    )


@pytest.mark.slow
def test_all_of_it_takes_longer_than_the_photograph_alone(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", drawn(64, 1, 1))
    seconds, itself, memory = measured(tmp_path / "a.png", ["--restore", "never"], "torch", tmp_path / "out")
    assert seconds > itself > 0 and 0.2 < memory < 8  # GB: torch alone takes more than the one
    with pytest.raises(UserError, match=r"predict.py failed: error: .*a_mask.png exists"):
        measured(tmp_path / "a.png", ["--restore", "never"], "torch", tmp_path / "out")
