"""Measured cracks: in pixels of the photograph, short ones left out everywhere, in files that tell the same."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import csbsr
from benchmarks.geometry import bar
from engine.predict.crack_files import geojson, in_words
from engine.predict.photo import Prediction
from engine.predict.resume import stamp_of
from metrics.geometry import measure
from tests.helpers.folders import contents
from tests.helpers.processes import on_two_processes
from tests.helpers.runs import assert_error, run_here, run_well

pytest.importorskip("skan", reason="the optional extra geometry is not installed")
SCALE = ["--mm-per-pixel", "0.5", "--scale-uncertainty", "10"]


def enlarged(*bars: np.ndarray, threshold: float = 0.5) -> Prediction:
    """A prediction of which the fine map, four times as large, holds bars beside each other."""
    fine = np.concatenate([np.pad(drawn, ((0, 2), (0, 2))) for drawn in bars], 1).astype(np.float32)  # 172 = 4 * 43
    coarse = fine.reshape(fine.shape[0] // 4, 4, fine.shape[1] // 4, 4).max((1, 3))
    return Prediction(coarse, fine, np.zeros((*fine.shape, 3), np.uint8), threshold=threshold, scale=4)


# -- in pixels of the photograph ------------------------------------------------------------------


def test_what_is_measured_in_the_restored_image_is_told_in_pixels_of_the_photograph() -> None:
    found = enlarged(bar(12, 120, 0), bar(6, 40, 90))
    long, short = found.cracks()
    assert long.length.value == pytest.approx(30, rel=0.01) and short.length.value == pytest.approx(10, rel=0.03)
    assert long.mean_width.value == pytest.approx(3, abs=0.03) and short.mean_width.value == pytest.approx(
        1.5, abs=0.03
    )
    assert long.area == pytest.approx(90, rel=0.02)
    assert short.lines[0][:, 1] == pytest.approx((172 + 84.5 + 0.5) / 4 - 0.5, abs=0.15)  # its middle column
    fine = measure(found.fine)
    assert fine[0].length.value == pytest.approx(4 * long.length.value)


def test_short_cracks_are_lowered_below_the_threshold() -> None:
    found = enlarged(bar(12, 120, 0), bar(6, 40, 90), bar(2, 3, 0), threshold=0.3)
    assert [round(crack.length.value) for crack in found.cracks(8)] == [30, 10]  # one has no length
    assert len(found.cracks()) == 3 and len(found.cracks(20)) == 1
    left = found.without_short(20)
    assert np.array_equal(left.fine_mask[:, :172], found.fine_mask[:, :172])
    assert not left.fine_mask[:, 172:].any() and not left.mask[:, 43:].any() and left.mask[:, :43].any()
    assert 0.299 < left.fine[:, 172:].max() < 0.3 and np.array_equal(
        left.probability[:, :43], found.probability[:, :43]
    )
    again = [{**vars(crack), "lines": None, "widths": None} for crack in left.cracks()]
    assert again == [{**vars(crack), "lines": None, "widths": None} for crack in found.cracks(20)]
    assert found.without_short(1) is not found and found.without_short(0) is found


def test_regions_are_those_of_the_mask() -> None:
    """A pixel of exactly the threshold is crack, in mask and measures alike."""
    probability = np.zeros((20, 40), np.float32)
    probability[8:11, 5:35] = np.float32(0.3)
    (crack,) = Prediction(probability, probability, threshold=0.3).cracks()
    assert crack.area == 90 and crack.box == (8, 5, 11, 35)


def test_from_python(tmp_path: Path) -> None:
    find_cracks = csbsr.load()
    image = drawn(tmp_path / "a.png")
    cracks = find_cracks(image, restore="never").cracks()
    longest = max(crack.length.value for crack in cracks if crack.length)
    kept = find_cracks(image, restore="never", minimum_length=longest - 1)
    assert [crack.length.value for crack in kept.cracks()] == [longest]
    with pytest.raises(ValueError, match="minimum_length -1: give a number of pixels"):
        find_cracks(image, minimum_length=-1)


# -- the command ----------------------------------------------------------------------------------


def drawn(path: Path, length: int = 150) -> Path:
    """A photograph of 120 x 180 with a dark crack of 4 px across it, and a short one."""
    rng = np.random.default_rng(0)
    image = rng.normal(150, 6, (120, 180, 3))
    image[60:64, 15 : 15 + length] = 40
    image[20:23, 100:130] = 40
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0110] = "Model"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 30.0, 0.0), 3: "W", 4: (11.0, 15.0, 0.0)})
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, exif=exif)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, length in (("a", 150), ("b", 100), ("c", 60)):
        drawn(tmp_path / "in" / f"{name}.png", length)
    return tmp_path


def command(*more: object) -> list[object]:
    return ["predict.py", "in", "--weights", "compact", "--restore", "never", "--tile", "192", *more]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_of_a_batch_tell_the_same(folder: Path) -> None:
    outcome = run_well(*command(*SCALE, "--geojson", "-o", "out"), cwd=folder)
    kinds = ("cracks.geojson", "cracks.json", "mask.png", "overlay.png", "probability.png")
    assert sorted(contents(folder / "out")) == sorted([f"{n}_{k}" for n in "abc" for k in kinds] + ["summary.csv"])
    for name, row in zip("abc", rows(folder / "out"), strict=True):
        content = json.loads((folder / "out" / f"{name}_cracks.json").read_text())
        mask = np.asarray(Image.open(folder / "out" / f"{name}_mask.png")) > 0
        assert (row["photograph"], row["results"], row["restored"], row["taken"]) == (
            f"in/{name}.png", name, "no", "2024-05-06T07:08:09",
        )  # fmt: skip
        assert (row["latitude"], row["longitude"], row["altitude"]) == ("48.5", "-11.25", "")
        assert int(row["cracks"]) == len(content["cracks"]) == content["number"] >= 1
        assert float(row["crack_area_fraction"]) == pytest.approx(mask.mean(), abs=1e-6)
        assert sum(crack["area_px"] for crack in content["cracks"]) == mask.sum()
        lengths = [crack["length_px"] for crack in content["cracks"] if not crack["reason"]]
        assert float(row["total_length_px"]) == pytest.approx(sum(lengths), abs=0.01)
        assert float(row["total_length_mm"]) == pytest.approx(sum(lengths) / 2, abs=0.01)
        share = float(row["total_length_mm_uncertainty"]) / float(row["total_length_mm"])
        assert 0.1 < share < 0.15  # mostly that of the scale
        assert float(row["max_width_px"]) == max(crack["max_width_px"] for crack in content["cracks"])
        assert in_words(content) in outcome.out
        lines = [line for crack in content["cracks"] for line in crack["centrelines"]]
        for line in lines:
            assert len(line["row"]) == len(line["column"]) == len(line["width_px"]) == len(line["width_mm"])
            assert all(mask[round(y), round(x)] for y, x in zip(line["row"], line["column"], strict=True))
        assert any(width is not None for line in lines for width in line["width_px"])
        assert stamp_of(folder / "out" / f"{name}_cracks.json") == stamp_of(folder / "out" / f"{name}_mask.png")
        collection = json.loads((folder / "out" / f"{name}_cracks.geojson").read_text())
        assert collection == json.loads(json.dumps(geojson(content)))
        first = collection["features"][0]["geometry"]["coordinates"][0]
        assert first == pytest.approx([lines[0]["column"][0] + 0.5, -lines[0]["row"][0] - 0.5], abs=0.011)
    assert "NaN" not in (folder / "out" / "a_cracks.json").read_text()


def test_qgis_and_gdal_take_coordinates_for_pixels(folder: Path) -> None:
    pyogrio = pytest.importorskip("pyogrio")
    run_well(*command("--geojson", "-o", "out"), cwd=folder)
    info = pyogrio.read_info(folder / "out" / "a_cracks.geojson")
    assert info["crs"].startswith('LOCAL_CS["pixels of the photograph",UNIT["pixel",1]')
    assert info["geometry_type"] == "LineString" and info["features"] >= 1
    bounds = pyogrio.read_bounds(folder / "out" / "a_cracks.geojson")[1]
    assert bounds[0].min() > 0 and bounds[2].max() < 180 and bounds[1].min() > -120 and bounds[3].max() < 0


def test_the_camera_is_kept_in_every_picture(folder: Path) -> None:
    run_well(*command("-o", "out"), cwd=folder)
    assert not (folder / "out" / "summary.csv").exists()
    for path in (folder / "out").iterdir():
        exif = Image.open(path).getexif()
        assert exif.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09" and exif.get_ifd(0x8825)[1] == "N"
        assert 0x0112 not in exif and stamp_of(path) is not None


def test_short_cracks_are_in_no_file(folder: Path) -> None:
    run_well(*command("--measure", "--rle", "all.csv", "-o", "all"), cwd=folder)
    run_well(*command("--min-length", "45", "--rle", "long.csv", "-o", "long"), cwd=folder)
    assert [int(row["cracks"]) for row in rows(folder / "all")] == [2, 2, 2]
    assert [int(row["cracks"]) for row in rows(folder / "long")] == [1, 1, 1]
    masks = {name: np.asarray(Image.open(folder / name / "a_mask.png")) for name in ("all", "long")}
    assert masks["all"][:40].any() and not masks["long"][:40].any()
    assert np.array_equal(masks["all"][40:], masks["long"][40:])
    assert (np.asarray(Image.open(folder / "long" / "a_probability.png"))[:40] <= 128).all()
    overlays = [np.asarray(Image.open(folder / name / "a_overlay.png")).astype(int) for name in ("all", "long")]
    changed = np.abs(overlays[0] - overlays[1]).max(2) > 0
    factor = overlays[0].shape[1] // 180
    assert changed[: 40 * factor].any() and not changed[50 * factor : 75 * factor, : 90 * factor].any()
    assert (folder / "all.csv").read_text() != (folder / "long.csv").read_text()


@pytest.mark.slow
def test_two_processes_and_going_on(folder: Path) -> None:
    (folder / "in" / "bad.png").write_bytes(b"no photograph")
    one = run_here(*command(*SCALE, "-o", "one"), cwd=folder)
    assert_error(one, "1 of 4 photographs left out: ", "in/bad.png")
    assert rows(folder / "one")[-1]["notes"].startswith("left out: ")
    two = on_two_processes(*command(*SCALE, "-o", "two"), cwd=folder)
    assert two.code != 0 and contents(folder / "one") == contents(folder / "two")
    for name in ("a_cracks.json", "summary.csv"):
        (folder / "two" / name).unlink()
    again = run_here(*command(*SCALE, "-o", "two", "--resume"), cwd=folder)
    assert "1 photographs (2 more were done before)" in again.out and contents(folder / "one") == contents(
        folder / "two"
    )


# -- nothing is mixed -----------------------------------------------------------------------------


def test_what_was_measured_otherwise_is_not_mixed_in(folder: Path) -> None:
    for path in (folder / "in").glob("[bc].png"):
        path.unlink()
    run_well(*command(*SCALE, "-o", "out"), cwd=folder)
    before = contents(folder / "out")
    for changes, message in (
        ([], "was made with --measure"),
        (["--measure"], "with --mm-per-pixel 0.5, not None"),
        ([*SCALE, "--min-length", "4"], "with --min-length 0.0, not 4.0"),
        ([*SCALE[:3], "20"], "with --scale-uncertainty 10.0, not 20.0"),
    ):
        assert_error(run_here(*command(*changes, "-o", "out", "--resume"), cwd=folder), "--resume: out/a_", message)
    assert contents(folder / "out") == before
    assert_error(run_here(*command(*SCALE, "-o", "out"), cwd=folder), "a_mask.png exists")
    run_well(*command("-o", "out", "--overwrite"), cwd=folder)
    assert not (folder / "out" / "a_cracks.json").exists()  # it would contradict
    assert_error(run_here(*command("--measure", "-o", "out", "--resume"), cwd=folder), "was made without --measure")


def test_a_table_of_another_kind_is_not_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    table = folder / "out" / "summary.csv"
    table.write_text("mine,1\n")
    assert_error(run_here(*command("--measure", "-o", "out"), cwd=folder), "out/summary.csv exists", "--overwrite")
    refused = run_here(*command("--measure", "-o", "out", "--resume"), cwd=folder)
    assert_error(refused, "summary.csv is not one of these tables")
    assert contents(folder / "out") == {"summary.csv": b"mine,1\n"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mm-per-pixel", "0"], "--mm-per-pixel 0: give a positive number"),
        (["--mm-per-pixel", "1", "--scale-uncertainty", "101"], "--scale-uncertainty 101"),
        (["--scale-uncertainty", "1"], "give the scale, too: --mm-per-pixel"),
        (["--min-length", "-1"], "--min-length -1: give a number of pixels"),
        (["--measure", "--rle", "out/summary.csv"], "--rle out/summary.csv: this run writes another file of that name"),
        (["--measure", "--coco", "out/a_cracks.json"], "--coco out/a_cracks.json: this run writes another file"),
    ],
)
def test_numbers_that_mean_nothing(arguments: list[str], message: str, folder: Path) -> None:
    assert_error(run_here(*command(*arguments, "-o", "out"), cwd=folder), message)
    assert not (folder / "out").exists()


@pytest.fixture
def without_skan(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where it is not installed: None in its place makes an import fail."""
    monkeypatch.setitem(sys.modules, "skan", None)
    return


def test_without_skan(folder: Path, without_skan: None) -> None:
    assert_error(run_here(*command("--measure", "-o", "out"), cwd=folder), "geometry needs skan: pip install 'skan")
    assert not (folder / "out").exists()
    run_well(*command("-o", "out"), cwd=folder)
