"""Cells that spreadsheets would compute are text, and come back as they were."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from contracts.cells import from_cell, to_cell
from contracts.files import write_table

FORMULAS = ("=1+1.jpg", "+1 (2).png", "-a", "@SUM(A1).tif", "\tx", "\rx", "=", "'=a", "''-a")
AS_THEY_ARE = ("wall.png", "a=b.png", "'quoted'.png", "", " =a", "-0.5", "+3", "-inf", -0.5, 0, None, True)


@pytest.mark.parametrize("name", FORMULAS)
def test_text_that_looks_like_a_formula_is_marked(name: str) -> None:
    assert to_cell(name) == f"'{name}" and from_cell(to_cell(name)) == name


@pytest.mark.parametrize("value", AS_THEY_ARE)
def test_numbers_and_other_text_stay(value: object) -> None:
    assert to_cell(value) is value
    assert not isinstance(value, str) or from_cell(value) == value


def test_tables_hold_no_formulas(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [{"name": name, "bias": -0.25} for name in FORMULAS])
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"'{name}" for name in FORMULAS]
    assert {row["bias"] for row in rows} == {"-0.25"}
