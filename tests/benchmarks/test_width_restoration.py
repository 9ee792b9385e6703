"""The drawn cracks have the width they are said to have, and what is found is weighed as told."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.width_restoration import SIDE, Answer, answer, drawn, main, rows, wavy
from metrics.figure import Figure

pytest.importorskip("skan", reason="the optional extra geometry is not installed")


@pytest.mark.parametrize("width", [3.0, 9.0, 20.0])
def test_a_wave_has_its_width(width: float) -> None:
    """Its area is width times the length of the curve, here by the arc length of a sine."""
    covered = wavy(width, 0.0, 0.7)
    along = np.linspace(-SIDE / 2, SIDE / 2, 20001)
    turn = 2 * math.pi / 260
    length = np.trapezoid(np.sqrt(1 + (14 * turn * np.cos(turn * along + 0.7)) ** 2), along)
    assert covered.sum() == pytest.approx(width * length, rel=0.01)
    found = answer(covered, None, covered, 1.0)
    assert found.width is not None and found.width.value == pytest.approx(width, rel=0.02) and found.found > 0.98


def test_what_lies_elsewhere_does_not_count() -> None:
    covered = wavy(6.0, 0.3, 0.0)
    elsewhere = np.roll(covered, 40, axis=0)
    assert answer(elsewhere, None, covered, 1.0) == Answer(None, 0.0)
    half = covered.copy()
    half[:, : SIDE // 2] = 0
    found = answer(half, None, covered, 1.0)
    assert found.width is not None and found.width.value == pytest.approx(6, rel=0.03)
    assert found.found == pytest.approx(0.5, abs=0.05)


def test_a_smaller_map_is_told_in_pixels_of_the_photograph() -> None:
    covered = wavy(20.0, 1.1, 0.0)
    reduced = covered.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3))
    found = answer(reduced, None, covered, 4.0)
    assert found.width is not None and found.width.value == pytest.approx(20, rel=0.03) and found.found > 0.98


def test_photographs_show_the_crack_dark() -> None:
    photo, covered = drawn(8.0, 3)
    grey = photo.mean(2)
    assert photo.shape == (SIDE, SIDE, 3) and grey[covered > 0.9].mean() < 0.7 * grey[covered == 0].mean()


def test_cells_of_the_table() -> None:
    known = [(Answer(Figure(value, 1), 1.0), Answer(Figure(value, 0.5), 1.0)) for value in (9.0, 12.0, 16.0)]
    pairs: Sequence[tuple[Answer, Answer]] = [*known, (Answer(None, 0.0), Answer(None, 0.0))]
    # errors -10, +20, +60%: the median is +20, of the sizes 20; within 1 px of 10 lies only 9
    assert [*rows({(10.0, "sharp"): pairs})] == [("10", "sharp", "75", "+20 (20)", "+20 (20)", "33")]


@pytest.mark.slow
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--widths", "9", "--count", "1"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 9 |")]
    assert [line.split(" | ")[1] for line in lines] == ["sharp", "reduced", "enlarged (bicubic)", "restored"]
