"""Batches of photographs: bad ones never stop the others, and a stopped batch goes on where it was."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.predict.plan import LeftOut, refuse_left_out
from engine.predict.resume import stamp_of, stamped
from tests.helpers.runs import (
    ROOT,
    assert_error,
    begin,
    contents,
    finish,
    full_after,
    on_two_processes,
    run_here,
    start,
    stop,
    write_photographs,
)

KINDS = ("mask", "mask_x4", "overlay", "probability", "restored")
SIZES = {"a": (40, 48), "b": (33, 50), "c": (64, 32), "d": (36, 36)}
NAME = os.fsdecode(b"caf\xe9\n.png")  # neither UTF-8 nor on one line


def folder_of(place: Path, sizes: dict[str, tuple[int, int]] = SIZES) -> Path:
    return write_photographs(place / "mine", sizes) / "images"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder with four photographs in mine/images."""
    folder_of(tmp_path)
    return tmp_path


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


def test_bad_files_do_not_stop_the_others(place: Path, tiny_weights: Path) -> None:
    bad = spoil(place / "mine" / "images")
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o"]
    outcome = run_here(*command, "out", "--rle", "runs.csv", cwd=place)
    assert_error(outcome, "5 of 9 photographs left out: ", "; the first: ", *(f"mine/images/{name}" for name in bad))
    for name in bad:
        assert f"mine/images/{name} left out: " in outcome.out
    assert results_of(place / "out") == ["a", "b", "c", "d"]
    for name in bad:
        (place / "mine" / "images" / name).unlink()
    assert run_here(*command, "healthy", "--rle", "healthy.csv", cwd=place).code == 0
    assert contents(place / "out") == contents(place / "healthy")
    assert (place / "runs.csv").read_bytes() == (place / "healthy.csv").read_bytes()


def test_a_single_bad_file_is_told_with_its_reason(place: Path, tiny_weights: Path) -> None:
    path = place / "mine" / "images" / "b.png"
    path.write_bytes(path.read_bytes()[:2000])
    outcome = run_here("predict.py", *sorted(path.parent.iterdir()), "-o", "out", "--weights", tiny_weights, cwd=place)
    assert_error(outcome, "1 of 4 photographs left out: cannot read", "b.png", "replace or remove")
    assert "[2/4" in outcome.out and results_of(place / "out") == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 of 99 photographs left out: why 0"),
        (10, "9; the first: why 0"),
        (11, "9 and 1 more; the first"),
        (99, "9 and 89 more; the first"),
    ],
)
def test_ten_of_many_bad_files_are_named(count: int, told: str) -> None:
    with pytest.raises(Exception, match=re.escape(told)):
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
def test_one_photograph_too_large_for_the_memory(place: Path, tiny_weights: Path) -> None:
    """500 MB are enough for the others, but not for one of 56 megapixels as float32."""
    Image.new("L", (8000, 7000)).save(place / "mine" / "images" / "Huge.png")  # the first by name
    (place / "little.py").write_text(LITTLE_MEMORY)
    command = ["mine/images", "--restore", "never", "-o", "out", "--weights", tiny_weights]
    outcome = finish(start("little.py", ROOT / "predict.py", *command, cwd=place))
    assert_error(outcome, "1 of 5 photographs left out", "Huge.png: not enough memory for 8000x7000 pixels")
    assert len(list((place / "out").glob("*_mask.png"))) == 4


@pytest.mark.slow
def test_names_that_are_no_text(tiny_weights: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a": (40, 40), "b": (40, 40)})
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
    folder = folder_of(tmp_path, {"a": (40, 48)})
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
    assert run_here(*command, "dark", "--bits", "16", cwd=tmp_path).code == 0
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
def test_a_bad_file_costs_no_other_process_its_work(place: Path, tiny_weights: Path) -> None:
    """The first process finds nothing but bad files, long before the other is done."""
    images = place / "mine" / "images"
    for name in ("a", "c"):
        (images / f"{name}.png").write_bytes((images / f"{name}.png").read_bytes()[:2000])
    (images / "header.jpg").write_text("no photograph")
    command = ["predict.py", images, "--weights", tiny_weights, "--rle"]
    two = on_two_processes(*command, "two.csv", "-o", "two", cwd=place)
    assert two.code != 0 and results_of(place / "two") == ["b", "d"]
    told = [text for text in two.err.splitlines() if text.startswith("error: ")]
    assert len(told) == 1 and "3 of 5 photographs left out" in told[0], two.err
    assert all(f"{name}" in told[0] for name in ("a.png", "c.png", "header.jpg"))
    assert_error(run_here(*command, "one.csv", "-o", "one", cwd=place), "3 of 5 photographs left out")
    assert contents(place / "one") == contents(place / "two")
    assert (place / "one.csv").read_bytes() == (place / "two.csv").read_bytes()
    for path in (*(place / "two").glob("b_*"), place / "two.csv"):
        path.unlink()
    again = on_two_processes(*command, "two.csv", "-o", "two", "--resume", cwd=place)
    assert "(1 more were done before)" in again.out and contents(place / "one") == contents(place / "two")
    assert (place / "one.csv").read_bytes() == (place / "two.csv").read_bytes()


# -- going on -------------------------------------------------------------------------------------


def test_a_stopped_batch_goes_on(place: Path, tiny_weights: Path) -> None:
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "--rle", "runs.csv", "-o"]
    assert run_here(*command, "whole", cwd=place).code == 0
    whole = (place / "runs.csv").read_bytes()
    (place / "runs.csv").unlink()
    partly = ["predict.py", "mine/images/c.png", "mine/images/a.png", "--weights", tiny_weights, "-o", "out"]
    assert run_here(*partly, cwd=place).code == 0
    (place / "out" / "c_overlay.png").unlink()  # stopped in the middle of this one
    times = {path: path.stat().st_mtime_ns for path in (place / "out").glob("a_*")}
    refused = run_here(*command, "out", cwd=place)
    assert_error(refused, "out/a_mask.png exists", "--resume", "--overwrite")
    assert not (place / "runs.csv").exists()
    outcome = run_here(*command, "out", "--resume", cwd=place)
    assert outcome.code == 0 and "3 photographs (1 more were done before), " in outcome.out, outcome
    assert contents(place / "out") == contents(place / "whole") and (place / "runs.csv").read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in times} == times
    again = run_here(*command, "out", "--resume", cwd=place)
    assert again.code == 0 and again.out == "all 4 photographs were done before\n"
    assert (place / "runs.csv").read_bytes() == whole


@pytest.fixture(scope="module")
def other_weights(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights of the same network."""
    import torch

    content = torch.load(tiny_weights, weights_only=True)
    path = tmp_path_factory.mktemp("other") / "other.pth"
    content["model"] = {
        name: value + 1e-3 if value.is_floating_point() else value for name, value in content["model"].items()
    }
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("changes", "told"),
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
    changes: list | str, told: str, tiny_weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    photo = folder_of(tmp_path, {"a": (40, 48)}) / "a.png"
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o", "out"]
    assert run_here(*command, cwd=tmp_path).code == 0
    if changes == ["--weights"]:
        changes = ["--weights", other_weights]
    elif isinstance(changes, str):
        target = photo if changes == "another" else tmp_path / "out" / "a_mask.png"
        Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(target)
        changes = []
    before = contents(tmp_path / "out")
    refused = run_here(*command, *changes, "--resume", cwd=tmp_path)
    assert_error(refused, "--resume: out/a_", told, "--overwrite")
    assert contents(tmp_path / "out") == before
    assert run_here(*command, *changes, "--resume", "--overwrite", cwd=tmp_path).code == 0
    assert contents(tmp_path / "out") != before
    assert run_here(*command, *changes, "--resume", cwd=tmp_path).out.startswith("all 1 photographs were done")


@pytest.mark.slow
def test_ctrl_c_and_on(place: Path, tiny_weights: Path) -> None:
    images = folder_of(place, {f"{number:02}": (80, 80) for number in range(60)})
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o", "out", "--rle", "runs.csv"]
    process = begin(ROOT / command[0], *command[1:], cwd=place)
    outcome = stop(process, lambda: len(list((place / "out").glob("*_mask.png"))) >= 2)
    found = re.search(
        r"stopped by Ctrl-C: (\d+) of 64 photographs are done; to go on: python (.*) --resume$", outcome.err.strip()
    )
    assert outcome.code == 130 and found, outcome
    assert not list(place.rglob("*.tmp")) and not (place / "runs.csv").exists()
    done = int(found[1])
    assert 1 <= done < 64 and len(list((place / "out").glob("*_restored.png"))) in (done, done + 1)
    resumed = run_here(*command, "--resume", cwd=place)
    assert resumed.code == 0 and f"({done} more were done before)" in resumed.out
    assert run_here(*command[:-4], "-o", "whole", "--rle", "whole.csv", cwd=place).code == 0
    assert contents(place / "out") == contents(place / "whole") and len(list(images.iterdir())) == 64
    assert (place / "runs.csv").read_bytes() == (place / "whole.csv").read_bytes()


# -- a full disk ----------------------------------------------------------------------------------


def test_a_full_disk_is_one_line_and_the_batch_goes_on_later(place: Path, tiny_weights: Path) -> None:
    command = ["predict.py", "mine/images", "--weights", tiny_weights, "-o"]
    assert run_here(*command, "whole", cwd=place).code == 0
    with full_after(12_000):
        outcome = run_here(*command, "out", cwd=place)
    assert_error(outcome, "out/a_", "cannot be written", "--resume")
    assert not list((place / "out").glob("*.tmp"))
    assert run_here(*command, "out", "--resume", cwd=place).code == 0
    assert contents(place / "out") == contents(place / "whole")


# -- what a result tells --------------------------------------------------------------------------


def test_a_stamp_is_read_back_and_the_picture_unchanged(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    assert stamp_of(path) is None
    told = {"--threshold": 0.1, "photograph": "caf\udce9", "--bits": None}
    path.write_bytes(stamped(path.read_bytes(), told))
    assert stamp_of(path) == told
    with Image.open(path) as image:
        image.load()
        assert np.array_equal(np.asarray(image), pixels) and "made-with" in image.text
    for content in (b"", b"\x89PNG", stamped(path.read_bytes(), told)[:45]):
        path.write_bytes(content)
        assert stamp_of(path) is None
