"""Batches of photographs: bad ones never stop the others, nor other processes."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from engine.predict.plan import LeftOut, refuse_left_out
from tests.helpers.errors import assert_holds
from tests.helpers.folders import contents, write_photographs
from tests.helpers.processes import finish, on_two_processes, start
from tests.helpers.runs import ROOT, assert_error, run_here, run_well

KINDS = ("mask", "mask_x4", "overlay", "probability", "restored")
NAME = os.fsdecode(b"caf\xe9\n.png")  # neither UTF-8 nor on one line


def spoil(folder: Path) -> list[str]:
    """Put a bad file of each kind into a folder; return their names."""
    good = (folder / "a.png").read_bytes()
    (folder / "header.jpg").write_text("no photograph")
    (folder / "empty.png").write_bytes(b"")
    (folder / "truncated.png").write_bytes(good[:2000])
    Image.new("RGB", (200, 3)).save(folder / "thin.png")
    Image.new("RGB", (9, 9)).save(folder / f"{'x' * 250}.png")
    return ["empty.png", "header.jpg", "thin.png", "truncated.png", f"{'x' * 250}.png"]


def results_of(folder: Path) -> list[str]:
    """The photographs that have all their results."""
    names = [path.name for path in folder.glob("*.png")]
    stems = {name.rsplit("_mask.png")[0] for name in names if name.endswith("_mask.png")}
    assert sorted(names) == sorted(f"{stem}_{kind}.png" for stem in stems for kind in KINDS)
    return sorted(stems)


# -- bad files ------------------------------------------------------------------------------------


def test_bad_files_do_not_stop_the_others(work: Path, tiny_weights: Path) -> None:
    bad = spoil(work / "mine" / "images")
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o"]
    outcome = run_here(*command, "out", "--rle", "runs.csv", cwd=work)
    assert_error(outcome, "5 of 9 photographs left out: ", "; the first: ", *(f"mine/images/{name}" for name in bad))
    for name in bad:
        assert f"mine/images/{name} left out: " in outcome.out
    assert results_of(work / "out") == ["a", "b", "c", "d"]
    for name in bad:
        (work / "mine" / "images" / name).unlink()
    run_well(*command, "healthy", "--rle", "healthy.csv", cwd=work)
    assert contents(work / "out") == contents(work / "healthy")
    assert (work / "runs.csv").read_bytes() == (work / "healthy.csv").read_bytes()


def test_a_single_bad_file_is_told_with_its_reason(work: Path, tiny_weights: Path) -> None:
    path = work / "mine" / "images" / "b.png"
    path.write_bytes(path.read_bytes()[:2000])
    outcome = run_here("predict.py", *sorted(path.parent.iterdir()), "-o", "out", "--weights", tiny_weights, cwd=work)
    assert_error(outcome, "1 of 4 photographs left out: cannot read", "b.png", "replace or remove")
    assert "[2/4" in outcome.out and results_of(work / "out") == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, "1 of 99 photographs left out: why 0"),
        (10, "9; the first: why 0"),
        (11, "9 and 1 more; the first"),
        (99, "9 and 89 more; the first"),
    ],
)
def test_ten_of_many_bad_files_are_named(count: int, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        refuse_left_out([LeftOut(Path(str(index)), f"why {index}") for index in range(count)], 99)


LITTLE_MEMORY = """
import resource, runpy, sys
from pathlib import Path
sys.argv.pop(0)
sys.path.insert(0, str(Path(sys.argv[0]).parent))
import engine.predict.run
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 500 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory")
def test_one_photograph_too_large_for_the_memory(work: Path, tiny_weights: Path) -> None:
    """500 MB are enough for the others, but not for one of 56 megapixels as float32."""
    Image.new("L", (8000, 7000)).save(work / "mine" / "images" / "Huge.png")  # the first by name
    (work / "little.py").write_text(LITTLE_MEMORY)
    command = ["mine/images", "--restore", "never", "-o", "out", "--weights", tiny_weights]
    outcome = finish(start("little.py", ROOT / "predict.py", *command, cwd=work))
    assert_error(outcome, "1 of 5 photographs left out", "Huge.png: not enough memory for 8000x7000 pixels")
    assert len(list((work / "out").glob("*_mask.png"))) == 4


@pytest.mark.slow
def test_names_that_are_no_text(tiny_weights: Path, tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "mine", {"a": (40, 40), "b": (40, 40)}) / "images"
    (folder / "a.png").rename(folder / NAME)
    (folder / os.fsdecode(b"bad\xff.png")).write_bytes(b"")
    command = [ROOT / "predict.py", folder, "-o", "out", "--rle", "x.csv", "--weights", tiny_weights]
    outcome = finish(start(*command, cwd=tmp_path))
    assert outcome.code == 2 and "1 of 3 photographs left out: " in outcome.err and "bad\\xff.png" in outcome.err
    assert "caf\\xe9\\n.png" in outcome.out
    assert (tmp_path / "out" / os.fsdecode(b"caf\xe9\n_mask.png")).is_file()
    text = (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert text.startswith("ImageId,EncodedPixels\nb.png,") and '\n"caf\\xe9\n.png",' in text


# -- files of more kinds -------------------------------------------------------------------------


def test_what_is_assumed_and_passed_over_is_told(tiny_weights: Path, tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "mine", {"a": (40, 48)}) / "images"
    grey = np.asarray(Image.open(folder / "a.png").convert("L"))
    (folder / "a.png").unlink()
    Image.fromarray(grey).save(folder / "plain.png")
    Image.fromarray(np.rint(grey * (4095 / 255)).astype(np.uint16)).save(folder / "deep.png")
    (folder / "notes.docx").write_text("x")
    command = ["predict.py", folder, "--weights", tiny_weights, "--threshold", "0.999", "-o"]
    outcome = run_here(*command, "out", cwd=tmp_path)
    assert outcome.code == 0 and f"{folder}: passed over 1 .docx\n" in outcome.out
    (deep,) = [text for text in outcome.out.splitlines() if "deep.png" in text]
    assert "read as 12 bits" in deep
    deep, plain = (contents(tmp_path / "out")[f"{name}_restored.png"] for name in ("deep", "plain"))
    assert deep[400:] == plain[400:]  # the pixels; what they were made of differs
    run_well(*command, "dark", "--bits", "16", cwd=tmp_path)
    dark, bright = (np.asarray(Image.open(tmp_path / name / "deep_overlay.png")) for name in ("dark", "out"))
    assert dark.mean() < bright.mean() / 8


@pytest.mark.parametrize("restore", ["always", "never"])
def test_transparent_parts_hold_nothing(restore: str, tiny_weights: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 48, 4), np.uint8)
    pixels[:, :30, 3], pixels[:, 30:] = 255, 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    command = ["predict.py", "a.png", "--weights", tiny_weights, "--restore", restore, "--min-area", "0"]
    outcome = run_here(*command, "--threshold", "0.01", "--rle", "x.csv", cwd=tmp_path)
    assert outcome.code == 0 and "37.5% transparent" in outcome.out
    results = tmp_path / "results"
    read = {path.name[2:-4]: np.asarray(Image.open(path)) for path in results.glob("a_*.png")}
    fine = read["mask" if restore == "never" else "mask_x4"]
    factor = fine.shape[0] // 40
    assert not read["mask"][:, 30:].any() and not read["probability"][:, 30:].any() and not fine[:, 30 * factor :].any()
    share = (fine[:, : 30 * factor] > 0).mean()
    assert share > 0 and f": {100 * share:.2f}% crack" in outcome.out
    last = [int(number) for number in (tmp_path / "x.csv").read_text().split(",")[-1].split()]
    assert sum(last[-2:]) <= 30 * 40 + 1  # columns of 40 pixels, counted from 1


# -- several processes ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_bad_file_costs_no_other_process_its_work(work: Path, tiny_weights: Path) -> None:
    """The first process finds nothing but bad files, long before the other is done."""
    images = work / "mine" / "images"
    for name in ("a", "c"):
        (images / f"{name}.png").write_bytes((images / f"{name}.png").read_bytes()[:2000])
    (images / "header.jpg").write_text("no photograph")
    command = ["predict.py", images, "--weights", tiny_weights, "--rle"]
    two = on_two_processes(*command, "two.csv", "-o", "two", cwd=work)
    assert two.code != 0 and results_of(work / "two") == ["b", "d"]
    (error,) = [line for line in two.err.splitlines() if line.startswith("error: ")]
    assert_holds(error, ["3 of 5 photographs left out", "a.png", "c.png", "header.jpg"])
    assert_error(run_here(*command, "one.csv", "-o", "one", cwd=work), "3 of 5 photographs left out")
    assert contents(work / "one") == contents(work / "two")
    assert (work / "one.csv").read_bytes() == (work / "two.csv").read_bytes()
    for path in (*(work / "two").glob("b_*"), work / "two.csv"):
        path.unlink()
    again = on_two_processes(*command, "two.csv", "-o", "two", "--resume", cwd=work)
    assert "(1 more were done before)" in again.out and contents(work / "one") == contents(work / "two")
    assert (work / "one.csv").read_bytes() == (work / "two.csv").read_bytes()
