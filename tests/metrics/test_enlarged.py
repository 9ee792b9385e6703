"""Cracks of an enlarged image in pixels of the original: figures, places and boxes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.geometry import bar
from metrics.enlarged import reduced
from metrics.figure import Figure
from metrics.geometry import Crack, measure


def test_a_case_worked_out_by_hand() -> None:
    """Fine pixels 0..3 are pixel 0, their middle 1.5 its centre; (4, 9) to (11, 16) touches rows 1-2, columns 2-3."""
    line = np.array([[1.5, 1.5], [5.5, 9.5]])
    crack = Crack(24, (4, 9, 11, 16), Figure(40, 2), Figure(8, 1), Figure(9, 1), Figure(10, 1), (3.5, 0), 30.0, 2, 1)
    small = reduced(Crack(**{**vars(crack), "lines": (line,), "widths": (np.array([4, np.nan]),)}), 4)
    assert (small.area, small.box, small.length, small.max_width) == (
        1.5,
        (1, 2, 3, 4),
        Figure(10, 0.5),
        Figure(2.5, 0.25),
    )
    assert small.widest == (0.5, -0.375) and small.orientation == 30 and (small.branches, small.junctions) == (2, 1)
    assert np.array_equal(small.lines[0], [[0, 0], [1, 2]]) and np.array_equal(
        small.widths[0], [1, np.nan], equal_nan=True
    )


def test_without_enlargement_nothing_changes() -> None:
    crack = Crack(3, (0, 0, 1, 3), reason="below 12 px")
    assert reduced(crack, 1) is crack
    assert reduced(crack, 2) == Crack(0.75, (0, 0, 1, 2), reason="below 12 px of the image enlarged 2 times")


@pytest.mark.parametrize("factor", [2, 4])
def test_an_enlarged_bar_measures_as_the_bar(factor: int) -> None:
    pytest.importorskip("skan", reason="the optional extra geometry is not installed")
    (fine,) = measure(bar(3 * factor, 100, 30))
    small = reduced(fine, factor)
    assert small.length.value == pytest.approx(100 / factor, rel=0.01)
    assert small.mean_width.value == pytest.approx(3, abs=0.15 / factor)
    assert small.area == pytest.approx(300 / factor, rel=0.02)
    assert min(np.abs(line - small.widest).max(1).min() for line in small.lines) < 1e-9
    assert np.concatenate(small.lines).mean(0) == pytest.approx((170 / factor / 2 - 0.5,) * 2, abs=0.3)
