"""Run-length submissions: hand-worked, round trips, and what predict.py writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from contracts.errors import UserError
from engine.predict.rle import decode, encode, write_submission
from tests.helpers.runs import assert_error, run_here, run_well


def test_runs_go_down_the_columns_from_one() -> None:
    mask = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 1]])
    assert encode(mask) == "2 4 9 1"  # columns: 0 1 1, 1 1 0, 0 0 1
    assert encode(np.zeros((2, 2))) == "" and encode(np.ones((2, 3))) == "1 6"


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)))
def test_round_trip(mask: np.ndarray) -> None:
    assert np.array_equal(decode(encode(mask), *mask.shape), mask)


@pytest.mark.parametrize("runs", ["1", "1 0", "0 2", "3 2 4 1", "1 7", "7 1"])
def test_runs_of_no_mask_are_refused(runs: str) -> None:
    with pytest.raises(ValueError):
        decode(runs, 2, 3)


def test_submission_holds_the_masks(tiny_weights: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, size in (("b.png", (40, 56)), ("a.jpg", (64, 32))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(tmp_path / name)
    command = ["predict.py", "b.png", "a.jpg", "--weights", tiny_weights, "--rle", "out/submission.csv"]
    run_well(*command, "--threshold", "0.4", cwd=tmp_path)
    with (tmp_path / "out" / "submission.csv").open() as file:
        heading, *lines = list(csv.reader(file))
    assert heading == ["ImageId", "EncodedPixels"] and [name for name, _ in lines] == ["b.png", "a.jpg"]
    for name, runs in lines:
        written = np.asarray(Image.open(tmp_path / "results" / f"{name[0]}_mask.png")) > 0
        assert np.array_equal(decode(runs, *written.shape), written)
    before = (tmp_path / "out" / "submission.csv").read_bytes()
    again = run_here(*command, "-o", "elsewhere", cwd=tmp_path)
    assert_error(again, "submission.csv exists", "--overwrite")
    photo = (tmp_path / "a.jpg").read_bytes()
    onto = run_here(*command[:-1], "a.jpg", "-o", "elsewhere", "--overwrite", cwd=tmp_path)
    assert_error(onto, "--rle a.jpg", "ends in .csv")
    assert (tmp_path / "a.jpg").read_bytes() == photo
    assert (tmp_path / "out" / "submission.csv").read_bytes() == before and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_photographs_of_one_name_cannot_be_told_apart(resume: bool, tiny_weights: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / folder / "1.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "b" / "1.jpg")
    command = ["predict.py", "a", "b", "--weights", tiny_weights, "--rle", "x.csv", *(["--resume"] if resume else [])]
    parts = ["a/1.png and b/1.png would both be '1.png'", "rename one", "for each folder"]
    assert_error(run_here(*command, cwd=tmp_path), "--rle x.csv", *parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    (tmp_path / "a" / "1.png").unlink()
    Image.new("RGB", (32, 32)).save(tmp_path / "a" / "2.png")
    run_well(*command, cwd=tmp_path)  # 1.png and 1.jpg are two names
    with (tmp_path / "x.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["ImageId", "2.png", "1.jpg", "1.png"]


def test_resume_replaces_no_other_file(tiny_weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("image,label\na.png,1\n")
    command = ["predict.py", "a.png", "--weights", tiny_weights, "--rle", "labels.csv", "--resume"]
    assert_error(run_here(*command, cwd=tmp_path), "--rle labels.csv is not one of these files")
    assert (tmp_path / "labels.csv").read_text() == "image,label\na.png,1\n"


def test_a_mask_that_is_gone_when_the_runs_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a_mask.png"
    for content in (None, b"", b"no picture"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=r"a_mask\.png: this mask was changed or removed meanwhile"):
            write_submission(tmp_path / "x.csv", [("a", path)])
        assert not (tmp_path / "x.csv").exists()
