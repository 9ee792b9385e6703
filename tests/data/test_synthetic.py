"""The drawn photographs: determinism, contract, and measurable likeness to photographs of cracks."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.morphology import skeletonize

from contracts.errors import UserError
from data.synthetic import SyntheticSource
from data.synthetic.cracks import coverage
from data.synthetic.fields import Generator, grain, octaves, smooth_field
from data.synthetic.light import photograph
from data.synthetic.lookalikes import LOOKALIKES
from data.synthetic.paths import LAYOUTS, STEP, Habit, Strand, draw_habit
from data.synthetic.source import CRACK_FREE
from data.synthetic.textures import TEXTURES, Surface
from tools import contact_sheet


def digest(seed: int, index: int, size: int) -> str:
    """Hash of an image and its mask."""
    image, mask = SyntheticSource(index + 1, size=size, seed=seed).load(index)
    return hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def series() -> list[tuple[np.ndarray, np.ndarray]]:
    """Sixty images of 448 px."""
    source = SyntheticSource(60, seed=11)
    return [source.load(index) for index in range(len(source))]


def test_contract(series: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for image, mask in series:
        assert image.shape == (448, 448, 3) and image.dtype == np.uint8
        assert mask.shape == (448, 448) and mask.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 1}
        assert image.std() > 3 and 30 < image.mean() < 225


def test_names_and_length() -> None:
    source = SyntheticSource(3, size=64, seed=7, first=40)
    assert len(source) == 3
    assert [source.name(index) for index in range(3)] == [f"synthetic_7_{n:05d}" for n in (40, 41, 42)]
    with pytest.raises(IndexError):
        source.load(3)


def test_same_number_same_image_whatever_the_order_range_or_instance() -> None:
    forward = SyntheticSource(6, size=96, seed=3)
    images = [forward.load(index) for index in range(6)]
    backward = pickle.loads(pickle.dumps(SyntheticSource(4, size=96, seed=3, first=2)))
    for index in reversed(range(4)):
        image, mask = backward.load(index)
        assert np.array_equal(image, images[index + 2][0])
        assert np.array_equal(mask, images[index + 2][1])


def test_same_image_in_another_process(root: Path) -> None:
    code = "from tests.data.test_synthetic import digest; print(digest(5, 9, 128))"
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest(5, 9, 128)


def test_threads_of_opencv_do_not_matter() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = digest(1, 4, 448)
        cv2.setNumThreads(2)
        assert digest(1, 4, 448) == alone
    finally:
        cv2.setNumThreads(before)


def test_seeds_and_numbers_differ() -> None:
    digests = {digest(seed, index, 64) for seed in range(4) for index in range(4)}
    assert len(digests) == 16


@pytest.mark.parametrize("size", [32, 33, 64, 127, 200, 256])
def test_images_have_the_size_asked_for(size: int) -> None:
    source = SyntheticSource(12, size=size, seed=2)
    for index in range(12):
        image, mask = source.load(index)
        assert image.shape == (size, size, 3) and mask.shape == (size, size)


def test_share_without_cracks() -> None:
    source = SyntheticSource(400, size=64, seed=8)
    empty = np.mean([not source.load(index)[1].any() for index in range(400)])
    assert abs(empty - CRACK_FREE) < 4 * np.sqrt(CRACK_FREE * (1 - CRACK_FREE) / 400)


def test_share_of_crack_pixels(series: list[tuple[np.ndarray, np.ndarray]]) -> None:
    shares = 100 * np.array([mask.mean() for _, mask in series if mask.any()])
    assert 0.5 < np.median(shares) < 3.0
    assert shares.max() < 15.0


def test_cracks_are_darker_than_their_surroundings(series: list[tuple[np.ndarray, np.ndarray]]) -> None:
    differences = []
    for image, mask in series:
        if mask.any():
            near, far = (cv2.dilate(mask, np.ones((side, side), np.uint8)) > 0 for side in (7, 21))
            grey = image.mean(axis=2)
            differences.append(grey[mask > 0].mean() - grey[far & ~near].mean())
    assert np.mean(np.array(differences) < 0) > 0.95
    assert -110 < np.median(differences) < -15


def test_widths_are_those_of_pavement_cracks(series: list[tuple[np.ndarray, np.ndarray]]) -> None:
    widths = []
    for _, mask in series:
        if mask.any():
            distance = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
            widths.append(2 * distance[skeletonize(mask > 0)] - 1)
    pooled = np.concatenate(widths)
    assert 1.0 <= np.median(pooled) <= 5.0
    assert np.percentile(pooled, 99) > 5.0
    assert np.percentile(pooled, 99.5) <= 14.0  # strands of up to 12 px; more only where they meet


@pytest.mark.parametrize("width", [2.0, 3.0, 6.0, 12.0])
@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4])
def test_coverage_of_a_straight_strand_is_its_area(width: float, angle: float) -> None:
    along = np.arange(0, 150, STEP)
    strand = Strand(40 + 40j + along * np.exp(1j * angle), np.full(len(along), width))
    covered = [coverage(np.random.default_rng(seed), [strand], 256) for seed in range(12)]
    area = width * along[-1]
    assert np.mean([one.sum() for one in covered]) == pytest.approx(area, rel=0.06)
    assert all(one.min() == 0 and one.max() == 1 for one in covered)


def test_coverage_of_a_strand_outside_is_nothing() -> None:
    strand = Strand(np.linspace(-500, -100, 50) + 0j, np.full(50, 4.0))
    assert not coverage(np.random.default_rng(0), [strand], 64).any()


@pytest.mark.parametrize("draw_strands", LAYOUTS)
def test_layouts_stay_within_the_widest(draw_strands: Callable[[Generator, int, Habit], list[Strand]]) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        strands = draw_strands(rng, 448, draw_habit(rng, 448, 3.0))
        assert strands
        for strand in strands:
            assert strand.points.shape == strand.width.shape and np.isfinite(strand.points).all()
            assert strand.width.min() >= 0 and strand.width.max() <= 12


@pytest.mark.parametrize("make_surface", TEXTURES)
@pytest.mark.parametrize("add", LOOKALIKES)
def test_textures_and_lookalikes(
    make_surface: Callable[[Generator, int], Surface], add: Callable[[Generator, Surface], None]
) -> None:
    rng = np.random.default_rng(4)
    surface = make_surface(rng, 128)
    before = surface.brightness.copy()
    assert 0.8 < before.mean() < 1.2
    add(rng, surface)
    assert not np.array_equal(before, surface.brightness)
    for plane in (surface.brightness, surface.warmth, surface.relief):
        assert plane.dtype == np.float32 and plane.shape == (128, 128) and np.isfinite(plane).all()
    assert photograph(rng, surface).dtype == np.uint8


def test_shares_of_textures_and_layouts() -> None:
    assert sum(TEXTURES.values()) == pytest.approx(1.0)
    assert sum(LAYOUTS.values()) == pytest.approx(1.0)


def test_fields_are_normalised() -> None:
    rng = np.random.default_rng(0)
    assert grain(rng, 128, 1.0).std() == pytest.approx(1.0, abs=1e-3)
    for field in (smooth_field(rng, 256, 4.0), octaves(rng, 256, (30, 10, 5))):
        assert field.dtype == np.float32 and 0.7 < field.std() < 1.4


@pytest.mark.parametrize("wrong", [{"count": 0}, {"size": 16}, {"seed": -1}, {"first": -2}])
def test_wrong_arguments_name_themselves(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        SyntheticSource(**{"count": 2, **wrong})


def sheet(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the tool with these arguments."""
    monkeypatch.setattr(sys, "argv", ["contact_sheet", *arguments])
    contact_sheet.main()


def test_contact_sheet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), np.full((40, 60, 3), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), np.full((40, 60), 255, np.uint8))
    out = tmp_path / "sheets" / "sheet.png"
    arguments = ["--synthetic", "1", "--folder", str(tmp_path / "images"), "--out", str(out)]
    sheet(monkeypatch, *arguments, "--masks", "--columns", "2")
    written = cv2.imread(str(out))
    assert written.shape == (3 * 228 - 4, 2 * 228 - 4, 3)
    assert (written[228 + 10, 228 + 10] == 255).all()  # the mask of a, beside it
    assert (written[2 * 228 + 10, 228 + 10] == 127).all()  # b has none


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.png"], "nothing to show"),
        (["--folder", "nowhere", "--out", "x.png"], "nowhere"),
        (["--synthetic", "1", "--out", "x.txt"], "x.txt"),
    ],
)
def test_contact_sheet_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sheet(monkeypatch, *arguments)


def test_contact_sheet_takes_stems_literally(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Brackets in a name are no pattern, and a file of another kind is no mask."""
    for kind, value in (("images", 200), ("masks", 255)):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / "a[1].png"), np.full((40, 60), value, np.uint8))
    (tmp_path / "masks" / "a[1].json").write_text("{}")
    out = tmp_path / "sheet.png"
    sheet(monkeypatch, "--folder", str(tmp_path / "images"), "--masks", "--columns", "2", "--out", str(out))
    assert (cv2.imread(str(out))[10, 228 + 10] == 255).all()
