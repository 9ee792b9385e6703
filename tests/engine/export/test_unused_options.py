"""Options that count for nothing beside --export are refused, not swallowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.runs import assert_error, run_here


@pytest.mark.parametrize("target", ["onnx", "deepness"])
@pytest.mark.parametrize("option", ["--probability", "--mosaic always", "--measure", "--rle a.csv", "--min-area 5"])
def test_what_a_model_has_no_use_for_is_refused(target: str, option: str, tmp_path: Path) -> None:
    outcome = run_here("predict.py", "--export", target, *option.split(), cwd=tmp_path)
    assert_error(outcome, f"{option.split()[0]} counts for nothing with --export {target}; leave it out")


def test_a_model_that_decides_nothing_has_no_threshold(tmp_path: Path) -> None:
    outcome = run_here("predict.py", "--export", "onnx", "--threshold", 0.3, cwd=tmp_path)
    assert_error(outcome, "--threshold counts for nothing with --export onnx")
