"""Masks and maps measured from the command line: figures of drawn cracks, units, files, errors."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import UserError
from tools.measure import main

pytest.importorskip("skan", reason="the optional extra geometry is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two masks of 0/1 and one without a crack: a bar of 100 x 4 px, one of 60 x 6 px and a speck beside it."""
    masks = tmp_path / "masks"
    masks.mkdir()
    first, second = np.zeros((2, 60, 140), np.uint8)
    first[20:24, 20:120] = 1
    second[10:16, 30:90] = 1
    second[40:42, 40:42] = 1
    for name, mask in (("a", first), ("b", second), ("c", np.zeros_like(first))):
        cv2.imwrite(str(masks / f"{name}_mask.png"), mask)
    return masks


def test_a_list_of_cracks_in_pixels_and_millimetres(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [tmp_path / "cracks.json", tmp_path / "cracks.csv"]
    scale = ["--mm-per-pixel", "0.5", "--scale-uncertainty", "10"]
    main([str(folder), "--suffix", "_mask", *scale, "--json", str(out[0]), "--csv", str(out[1])])
    rows = json.loads(out[0].read_text())
    assert [(row["image"], row["crack"], row["area_px"]) for row in rows] == [("a", 1, 400), ("b", 1, 360), ("b", 2, 4)]
    first, second, speck = rows
    assert first["length_px"] == pytest.approx(100, abs=1) and first["mean_width_px"] == pytest.approx(4, abs=0.05)
    assert second["length_mm"] == pytest.approx(30, abs=0.5) and second["mean_width_mm"] == pytest.approx(3, abs=0.05)
    assert min(first["orientation"], 180 - first["orientation"]) < 0.5 and first["area_mm2"] == 100
    assert first["length_mm_uncertainty"] == pytest.approx(
        math.hypot(0.1 * first["length_mm"], 0.5 * first["length_px_uncertainty"]), abs=2e-3
    )
    assert speck["reason"] == "below 12 px" and speck["length_px"] is None and speck["method"] == ""
    with out[1].open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["mean_width_px"] or "nan") for row in table[:2]] == [row["mean_width_px"] for row in rows[:2]]
    printed = capsys.readouterr().out
    assert "| a | 1 | 50." in printed and "3 images, 3 cracks, 80." in printed and "1 of them are too small" in printed


@pytest.mark.parametrize(
    ("arguments", "mm", "relative"),
    [
        # 36 mm on 140 px is .25714 mm on the sensor, thrown 3000/24 times as large
        (["--distance", "3", "--focal-length", "24", "--sensor-width", "36"], 36 / 140 * 3000 / 24, 0),
        # 50 px apart, each end known to a pixel in either direction
        (["--reference", "10", "10", "40", "50", "25"], 0.5, math.sqrt(2) / 50),
    ],
)
def test_other_ways_to_tell_the_scale(
    arguments: list[str], mm: float, relative: float, folder: Path, tmp_path: Path
) -> None:
    main([str(folder / "a_mask.png"), *arguments, "--json", str(tmp_path / "cracks.json")])
    row = json.loads((tmp_path / "cracks.json").read_text())[0]
    assert row["length_mm"] == pytest.approx(mm * row["length_px"], abs=0.02)
    expected = math.hypot(mm * row["length_px_uncertainty"], relative * row["length_mm"])
    assert row["length_mm_uncertainty"] == pytest.approx(expected, rel=2e-3)


def test_points_have_to_be_in_the_photograph(folder: Path) -> None:
    with pytest.raises(UserError, match="--reference: a point lies outside of the photograph, which has 140x60 pixels"):
        main([str(folder / "a_mask.png"), "--reference", "10", "10", "40", "61", "25"])


def test_widths_across_photographs(folder: Path, tmp_path: Path) -> None:
    """The masks are 4 and 6 px wide, the dark of the photographs 2 and 3 px."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    first, second = (np.full((60, 140), 200, np.uint8) for _ in range(2))
    first[21:23, 20:120] = 90
    second[12:15, 30:90] = 90
    for name, grey in (("a", first), ("b", second), ("c", first)):
        cv2.imwrite(str(photographs / f"{name}.png"), grey)
    arguments = [str(folder), "--suffix", "_mask", "--photographs", str(photographs)]
    main([*arguments, "--json", str(tmp_path / "cracks.json")])
    rows = json.loads((tmp_path / "cracks.json").read_text())[:2]
    assert [row["method"] for row in rows] == ["grey", "grey"]
    assert [row["mean_width_px"] for row in rows] == pytest.approx([2, 3], abs=0.2)
    alone = [str(folder / "a_mask.png"), *arguments[1:]]
    main([*alone, "--csv", str(tmp_path / "alone.csv")])
    with (tmp_path / "alone.csv").open(newline="") as file:
        assert [(row["image"], row["method"]) for row in csv.DictReader(file)] == [("a", "grey")]
    cv2.imwrite(str(photographs / "b.png"), second[:50])
    with pytest.raises(UserError, match=r"b.png: is 140x50, its map 140x60 pixels"):
        main(arguments)


def test_one_map_at_another_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prob = np.zeros((40, 90), np.float32)
    prob[15:20, 10:80] = 0.4
    np.save(tmp_path / "map.npy", prob)
    main([str(tmp_path / "map.npy")])
    assert "1 images, 0 cracks, 0.0 ± 0.0 px" in capsys.readouterr().out
    main([str(tmp_path / "map.npy"), "--threshold", "0.3"])
    assert "| map | 1 | 70." in capsys.readouterr().out
    main([str(tmp_path / "map.npy"), "--threshold", "0.3", "--min-length", "80"])
    assert "1 images, 0 cracks" in capsys.readouterr().out


def test_photographs_and_inverted_masks_are_not_measured_in_silence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    with pytest.raises(UserError, match="photo.png' is a colour image; give grey maps"):
        main([str(tmp_path / "photo.png")])
    inverted = tmp_path / "inverted.png"
    cv2.imwrite(str(inverted), 255 * (1 - cv2.imread(str(folder / "a_mask.png"), cv2.IMREAD_GRAYSCALE)))
    main([str(inverted)])
    assert "'inverted': 95% of it is above the threshold" in "".join(capsys.readouterr())
    main([str(folder)])
    assert "inverted" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "1"], "--threshold 1"),
        (["--mm-per-pixel", "-2"], "--mm-per-pixel -2"),
        (["--scale-uncertainty", "3"], "give the scale, too: --mm-per-pixel"),
        (["--mm-per-pixel", "2", "--distance", "3"], "--mm-per-pixel and --distance: each gives the scale"),
        (["--distance", "3"], "--distance: give --focal-length and --sensor-width, too"),
        (["--distance", "3", "--focal-length", "24"], "give both, or neither"),
        (["--focal-length", "24", "--sensor-width", "36"], "give --distance in metres, too"),
        (["--distance", "3", "--focal-length", "0", "--sensor-width", "36"], "--focal-length 0: give a positive"),
        (
            ["--reference", "1", "1", "1", "1", "20"],
            "--reference: the points are 0.0 px apart; give some that are 10 px apart",
        ),
        (["--reference", "1", "1", "10", "5", "20"], "--reference: the points are 9.8 px apart"),
        (["--reference", "1", "1", "20", "1", "-5"], "--reference: -5 mm: give a positive length"),
        (["--reference", "1", "1", "19", "1", "20"], "--reference: its points are of one photograph, not of 3"),
        (["--mm-per-pixel", "2", "--scale-uncertainty", "101"], "--scale-uncertainty 101"),
        (["--photographs", "{folder}", "--photograph-suffix", "_mas"], "'_mas'"),
        (["--photographs", "{folder}/none"], "no folder '.*none'"),
        (["--min-length", "-1"], "--min-length"),
        (["--suffix", "_x"], "whose names end in '_x'"),
        (["--json", "{folder}/a_mask.png"], "a_mask.png exists"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(arguments: list[str], message: str, folder: Path) -> None:
    with pytest.raises(UserError, match=message):
        main([str(folder), *(argument.format(folder=folder) for argument in arguments)])
    assert cv2.imread(str(folder / "a_mask.png")) is not None
