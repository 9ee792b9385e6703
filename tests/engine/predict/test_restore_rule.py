"""What --restore auto does with photographs of each size, and with thin and wide cracks in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import csbsr
from contracts.errors import UserError
from engine.predict.restore_rule import SMALL, THIN, UNDECIDED, how, is_thin, least_seen, restores, width_of
from engine.predict.resume import stamp_of
from metrics.centreline import mean_width
from tests.helpers.processes import finish, start
from tests.helpers.runs import ROOT, Outcome, assert_error

SIDE = 256
HAIRLINE = (1, 134)  # width and level: hardly darker than the wall, and so found narrow


def wall(width: int, level: int = 45, seed: int = 4) -> np.ndarray:
    """Grainy concrete [256,256,3], about 150, with a crack of that width in pixels and grey level; 0: without."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 1.2)
    pixels = 150 + 4 * grain
    if width:
        columns = np.arange(0, SIDE, 8)
        rows = 128 + np.cumsum(rng.normal(0, 3, columns.size))
        line = np.stack([columns, rows], 1).round().astype(np.int32)
        crack = cv2.polylines(np.zeros((SIDE, SIDE), np.uint8), [line], False, 1, width)
        pixels = np.where(crack, level, pixels)
    return np.repeat(pixels.clip(0, 255).astype(np.uint8)[:, :, None], 3, 2)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(200, 200, True), (200, 201, None), (1000, 1500, None), (1000, 1501, False), (3000, 4000, False)],
)
def test_size_decides_at_both_ends(height: int, width: int, expected: bool | None) -> None:
    assert (height * width <= SMALL * 1e6) == (expected is True)
    assert (height * width > UNDECIDED * 1e6) == (expected is False)
    assert restores("auto", height, width, "a") is expected
    assert restores("always", height, width, "a") is True and restores("never", height, width, "a") is False
    with pytest.raises(UserError, match="a: 7x200 pixels are too few"):
        restores("auto", 200, 7, "a")


@pytest.mark.parametrize("thick", [1, 2, 3, 6, 11])
def test_the_width_is_that_of_the_line(thick: int) -> None:
    """Of a straight bar it is its side; the ends of a skeleton are shorter by half of that each."""
    bar = np.zeros((60, 200), bool)
    bar[20 : 20 + thick, 10:190] = True
    assert mean_width(bar) == pytest.approx(thick, rel=0.08)
    assert mean_width(bar.T) == pytest.approx(thick, rel=0.08)
    assert width_of(bar * np.float32(0.6), 0.5) == mean_width(bar) and width_of(bar * np.float32(0.4), 0.5) is None
    assert is_thin(mean_width(bar)) == (thick < THIN)


def test_nothing_found_is_not_thin() -> None:
    assert mean_width(np.zeros((9, 9))) is None and not is_thin(None)


def test_small_regions_are_nothing() -> None:
    """Hairlines break into pieces of which each is a small region: only all of them together tell."""
    seen = np.zeros((40, 40), np.float32)
    seen[5, ::3] = seen[20, 3:30] = 1  # 14 and 27 pixels
    assert width_of(seen, 0.5, 41) == mean_width(seen) and width_of(seen, 0.5, 42) is None
    assert (least_seen(0), least_seen(50)) == (1, 100)


def test_it_is_said_why() -> None:
    assert how("auto", 4, 2.61, True) == "restored x4 (cracks about 2.6 px wide)"
    assert how("auto", 1, None, True) == "not restored (no crack seen)"
    assert how("auto", 4, None, False) == how("always", 4, None, False) == "restored x4"
    assert how("never", 1, None, False) == "not restored"
    assert "above 1.5 megapixels" in how("auto", 1, None, False)


@pytest.fixture(scope="module")
def find_cracks() -> csbsr.Predictor:
    return csbsr.load("compact")


def test_a_hairline_is_restored_and_a_wide_crack_is_not(find_cracks: csbsr.Predictor) -> None:
    hairline, wide, sound = (find_cracks(wall(*crack)) for crack in (HAIRLINE, (12,), (0,)))
    assert hairline.scale == 4 and hairline.restored.shape == (4 * SIDE, 4 * SIDE, 3) and hairline.width < THIN
    assert wide.scale == 1 and wide.restored is None and wide.width > THIN
    assert sound.how == "not restored (no crack seen)" and sound.width is None
    for found, restore, crack in ((hairline, "always", HAIRLINE), (wide, "never", (12,))):
        np.testing.assert_array_equal(found.probability, find_cracks(wall(*crack), restore=restore).probability)


def test_results_tell_what_was_decided(tmp_path: Path) -> None:
    """A batch goes on only with what was decided in the same way; what contradicts it is removed."""
    for name, crack in (("hairline", HAIRLINE), ("wide", (12,))):
        Image.fromarray(wall(*crack)).save(tmp_path / f"{name}.png")
    command = ["predict.py", "hairline.png", "wide.png", "--weights", "compact", "-o", "out"]

    def run(*more: str) -> Outcome:
        return finish(start(ROOT / command[0], *command[1:], *more, cwd=tmp_path))

    assert run("--restore", "always").code == 0
    assert_error(run("--resume"), "hairline_mask.png was made without --restore auto")
    outcome = run("--overwrite")
    assert "hairline.png 256x256 restored x4 (cracks" in outcome.out, outcome
    assert "wide.png 256x256 not restored (cracks" in outcome.out, outcome
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"hairline_restored.png", "hairline_mask_x4.png"} <= names
    assert not {"wide_restored.png", "wide_mask_x4.png"} & names
    assert [stamp_of(tmp_path / f"out/{name}_mask.png")["restored"] for name in ("hairline", "wide")] == [True, False]
    assert "all 2 photographs were done before" in run("--resume").out
    (tmp_path / "out/wide_restored.png").write_bytes(b"of somebody else")
    (tmp_path / "out/wide_overlay.png").unlink()
    assert run("--resume").code == 0 and (tmp_path / "out/wide_restored.png").read_bytes() == b"of somebody else"
    assert_error(run("--resume", "--restore", "never"), "was made with --restore auto")
