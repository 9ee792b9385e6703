"""A stopped batch goes on where it was, and nothing that was made otherwise is mixed in."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.predict.resume import stamp_of, stamped
from tests.helpers.folders import contents, full_after, write_photographs
from tests.helpers.processes import begin, stop
from tests.helpers.runs import ROOT, assert_error, run_here, run_well


def test_a_stopped_batch_goes_on(work: Path, tiny_weights: Path) -> None:
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "--rle", "runs.csv", "-o"]
    run_well(*command, "whole", cwd=work)
    whole = (work / "runs.csv").read_bytes()
    (work / "runs.csv").unlink()
    partly = ["predict.py", "mine/images/c.png", "mine/images/a.png", "--weights", tiny_weights, "-o", "out"]
    run_well(*partly, cwd=work)
    (work / "out" / "c_overlay.png").unlink()  # stopped in the middle of this one
    times = {path: path.stat().st_mtime_ns for path in (work / "out").glob("a_*")}
    refused = run_here(*command, "out", cwd=work)
    assert_error(refused, "out/a_mask.png exists", "--resume", "--overwrite")
    assert not (work / "runs.csv").exists()
    outcome = run_here(*command, "out", "--resume", cwd=work)
    assert outcome.code == 0 and "3 photographs (1 more were done before), " in outcome.out, outcome
    assert contents(work / "out") == contents(work / "whole") and (work / "runs.csv").read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in times} == times
    again = run_here(*command, "out", "--resume", cwd=work)
    assert again.code == 0 and again.out == "all 4 photographs were done before\n"
    assert (work / "runs.csv").read_bytes() == whole


@pytest.fixture(scope="module")
def other_weights(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights of the same network."""
    path, content = tmp_path_factory.mktemp("other") / "other.pth", torch.load(tiny_weights, weights_only=True)
    for value in content["model"].values():
        value.add_(1e-3 if value.is_floating_point() else 0)
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--threshold", "0.4"], "with --threshold 0.5, not 0.4"),
        (["--tile", "64"], "with --tile 256, not 64"),
        (["--overlap", "16"], "with --overlap 32, not 16"),
        (["--min-area", "3"], "with --min-area "),
        (["--bits", "12"], "with --bits None, not 12"),
        (["--restore", "never"], "with restoring"),
        (["--weights"], "with other weights"),
        ("another", "of another photograph than mine/images/a.png"),
        ("foreign", "by something else"),
    ],
)
def test_what_was_made_otherwise_is_not_mixed_in(
    changes: list | str, message: str, tiny_weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    photo = write_photographs(tmp_path / "mine", {"a": (40, 48)}) / "images" / "a.png"
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o", "out"]
    run_well(*command, cwd=tmp_path)
    if changes == ["--weights"]:
        changes = ["--weights", other_weights]
    elif isinstance(changes, str):
        target = photo if changes == "another" else tmp_path / "out" / "a_mask.png"
        Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(target)
        changes = []
    before = contents(tmp_path / "out")
    refused = run_here(*command, *changes, "--resume", cwd=tmp_path)
    assert_error(refused, "--resume: out/a_", message, "--overwrite")
    assert contents(tmp_path / "out") == before
    run_well(*command, *changes, "--resume", "--overwrite", cwd=tmp_path)
    assert contents(tmp_path / "out") != before
    assert run_here(*command, *changes, "--resume", cwd=tmp_path).out.startswith("all 1 photographs were done")


@pytest.mark.slow
def test_ctrl_c_and_on(work: Path, tiny_weights: Path) -> None:
    write_photographs(work / "mine", {f"{number:02}": (80, 80) for number in range(60)})
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o", "out", "--rle", "runs.csv"]
    process = begin(ROOT / command[0], *command[1:], cwd=work)
    outcome = stop(process, lambda: len(list((work / "out").glob("*_mask.png"))) >= 2)
    line = r"stopped by Ctrl-C: (\d+) of 64 photographs are done; to go on: python (.*) --resume$"
    stopped = re.search(line, outcome.err.strip())
    assert outcome.code == 130 and stopped, outcome
    assert not list(work.rglob("*.tmp")) and not (work / "runs.csv").exists()
    done = int(stopped[1])
    assert 1 <= done < 64 and len(list((work / "out").glob("*_restored.png"))) in (done, done + 1)
    resumed = run_here(*command, "--resume", cwd=work)
    before = re.search(r"\((\d+) more were done before\)", resumed.out)
    # Ctrl-C may come between the last file of a photograph and its line, which then counts as not done
    assert resumed.code == 0 and before and int(before[1]) in (done, done + 1), resumed
    run_well(*command[:-4], "-o", "whole", "--rle", "whole.csv", cwd=work)
    assert contents(work / "out") == contents(work / "whole") and len([*(work / "mine/images").iterdir()]) == 64
    assert (work / "runs.csv").read_bytes() == (work / "whole.csv").read_bytes()


def test_a_full_disk_is_one_line_and_the_batch_goes_on_later(work: Path, tiny_weights: Path) -> None:
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o"]
    run_well(*command, "whole", cwd=work)
    with full_after(12_000):
        outcome = run_here(*command, "out", cwd=work)
    assert_error(outcome, "out/a_", "cannot be written", "--resume")
    assert not list((work / "out").glob("*.tmp"))
    run_well(*command, "out", "--resume", cwd=work)
    assert contents(work / "out") == contents(work / "whole")


def test_a_stamp_is_read_back_and_the_picture_unchanged(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    assert stamp_of(path) is None
    stamp = {"--threshold": 0.1, "photograph": "caf\udce9", "--bits": None}
    path.write_bytes(stamped(path.read_bytes(), stamp))
    assert stamp_of(path) == stamp
    with Image.open(path) as image:
        image.load()
        assert np.array_equal(np.asarray(image), pixels) and "made-with" in image.text
    for content in (b"", b"\x89PNG", stamped(path.read_bytes(), stamp)[:45]):
        path.write_bytes(content)
        assert stamp_of(path) is None
