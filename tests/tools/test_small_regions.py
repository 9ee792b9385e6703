"""The table of what small regions cost, on masks counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.errors import UserError
from tests.helpers.runs import TINY
from tools.small_regions import main, region_areas, table


def test_regions_touch_at_corners() -> None:
    mask = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert sorted(region_areas(mask)) == [1, 2, 2]
    assert region_areas(np.zeros((3, 3))).size == 0


def test_the_table_counts_what_is_smaller() -> None:
    lines = table(np.array([1, 4, 5, 10]), [5, 1, 100], mm_per_pixel=0.5).splitlines()
    assert lines[2:] == [
        "| 1 | 0.25 mm2 | 0 of 4 (0%) | 0.0% |",
        "| 5 | 1.25 mm2 | 2 of 4 (50%) | 25.0% |",
        "| 100 | 25 mm2 | 4 of 4 (100%) | 100.0% |",
    ]


def test_an_options_file_from_the_command_line(capsys: pytest.CaptureFixture) -> None:
    main(["-opt", str(TINY), "--areas", "50"])
    assert "| 50 | - |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--areas", "0"], "--areas 0: give areas of 1 pixel or more"),
        (["--mm-per-pixel", "0"], "--mm-per-pixel 0.0: give a length above 0"),
        (["--force_yml", "datasets:test=null"], "tiny.yml: no datasets.test to look at"),
    ],
)
def test_what_means_nothing_is_refused(wrong: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(["-opt", str(TINY), *wrong])
