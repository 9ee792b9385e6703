"""The Markdown table of results: figures in place, absent ones shown as such, clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest

from contracts.errors import UserError
from tools.table import main, table


def row(argument: str, *conditions: list[str]) -> str:
    """The one line of a table of one row."""
    return table([argument], *conditions).splitlines()[-1]


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    results = {
        "hr": {"dice": 0.5, "hd95": 12.4},
        "degraded": {"dice": 0.25, "psnr": 25.126},
        "classical": {"degraded": {"dice": 0.125}},
        "meta": {},
    }
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "results.json").write_text(json.dumps(results))
    lines = [{"step": 1, "time": 600.0}, {"step": 2, "time": 900.0}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_row_holds_the_figures_by_condition(experiment: Path) -> None:
    cells = [cell.strip() for cell in row(f"joint={experiment}").strip("|").split("|")]
    assert cells[0] == "joint"
    assert cells[1] == "0.500 / - / 0.250"
    assert cells[4] == "12 / - / -"
    assert cells[7] == "- / - / 25.13"
    assert cells[8] == "5 min"


def test_classical_row(experiment: Path) -> None:
    assert "| - / - / 0.125 |" in row(f"black-hat={experiment}:classical")


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results.json; run evaluate.py"):
        row(f"x={tmp_path}")
    with pytest.raises(UserError, match="LABEL=FOLDER"):
        row("x")
    with pytest.raises(UserError, match="unknown baseline 'classic' .*'classical'"):
        row(f"x={tmp_path}:classic")


def test_a_file_of_results_that_is_cut_off_is_named(experiment: Path) -> None:
    path = experiment / "results" / "results.json"
    path.write_text(path.read_text()[:20])
    with pytest.raises(UserError, match="results.json is no results file .*run evaluate.py again"):
        row(f"x={experiment}")


def test_several_seeds_give_mean_and_deviation(experiment: Path, tmp_path: Path) -> None:
    for name, dice in (("b", 0.35), ("c", 0.45)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps({"degraded": {"dice": dice}}))
    line = row(f"joint={experiment},{tmp_path / 'b'},{tmp_path / 'c'}", ["hr", "degraded"])
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == "- / 0.350 ± 0.100"  # 0.25, 0.35, 0.45
    assert cells[7] == "- / -" and cells[8] == "5 min"


def test_conditions_are_chosen(experiment: Path, capsys) -> None:
    with mock.patch("sys.argv", ["table", "--condition", "degraded", f"joint={experiment}"]):
        main()
    head, _, line = capsys.readouterr().out.splitlines()
    assert head.startswith("| degraded | Dice |") and line.startswith("| joint | 0.250 |")


def test_figures_of_before_are_not_shown_under_a_name_of_today(tmp_path: Path) -> None:
    """cliou used to count true positives on the predicted centreline; results with the new one have both."""
    before, now = (
        {"hr": {"cliou": 0.85}, "classical": {"hr": {"cliou": 0.7}}},
        {"hr": {"cliou": 0.52, "cliou_predicted": 0.85}},
    )
    for name, results in (("before", before), ("now", {**now, "meta": {"protocol": {"minimum_area": 50}}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    cells = {
        name: row(f"{name}={tmp_path / source}", ["hr"]).strip("| ").split(" | ")
        for name, source in (("before", "before"), ("c", "before:classical"), ("now", "now"))
    }
    assert cells["before"][5:7] == ["-", "0.850"] and cells["c"][5:7] == ["-", "0.700"]
    assert cells["now"][5:7] == ["0.520", "0.850"]
    assert cells["now"][0] == "now (regions under 50 px removed)"


def test_kernels_have_a_column_where_a_network_estimates_them(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "results.json").write_text(json.dumps({"degraded": {"dice": 0.3, "kernel_psnr": 43.21}}))
    head, _, blind, other = table([f"blind={tmp_path / 'blind'}", f"other={experiment}"], ["degraded"]).splitlines()
    assert head.split(" | ")[8] == "kernel PSNR / dB" and blind.split(" | ")[8] == "43.2"
    assert other.split(" | ")[8] == "-" and "kernel" not in table([f"other={experiment}"])
