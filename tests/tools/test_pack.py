"""A packed folder holds the same photographs and masks as a training reads from the original one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import UserError
from data.folders import find_pairs
from data.reading import Reading
from data.sources import FilePairs
from tools import pack

COUNT = 6
LIST = "splits/some.txt"
VALUES = (127, 255)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six photographs in two folders; the masks of one are 0 and 127, as some data sets have them."""
    rng = np.random.default_rng(4)
    names = []
    for number in range(COUNT):
        folder, full = (("half", VALUES[0]), ("bright", VALUES[1]))[number % 2]
        for kind in ("images", "masks"):
            (tmp_path / "root" / folder / kind).mkdir(parents=True, exist_ok=True)
        mask = np.zeros((48, 64), np.uint8)
        cv2.line(mask, (5, int(rng.integers(5, 40))), (60, int(rng.integers(5, 40))), full, 3)
        photo = cv2.GaussianBlur(rng.integers(0, 255, (48, 64, 3), np.uint8), (0, 0), 2)
        cv2.imwrite(str(tmp_path / "root" / folder / "images" / f"{number}.png"), photo)
        cv2.imwrite(str(tmp_path / "root" / folder / "masks" / f"{number}.png"), mask)
        names.append(f"{folder}/{number}")
    (tmp_path / "root/splits").mkdir()
    (tmp_path / "root" / LIST).write_text("\n".join(names))
    return tmp_path / "root"


def packed(root: Path, out: Path, *more: str) -> None:
    pack.main([LIST, "--root", str(root), "--out", str(out), "--crack-values", *map(str, VALUES), *more])


def read(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    source = FilePairs(find_pairs(root, LIST), reading=Reading(crack_values=VALUES))
    return {source.name(index): source.load(index) for index in range(len(source))}


def test_masks_are_the_same_and_photographs_nearly(root: Path, tmp_path: Path) -> None:
    packed(root, tmp_path / "out")
    before, after = read(root), read(tmp_path / "out")
    assert list(before) == list(after) and len(after) == COUNT
    for name, (photo, mask) in before.items():
        assert mask.sum() > 100  # of 127 as well as of 255
        np.testing.assert_array_equal(after[name][1], mask)
        assert np.abs(after[name][0].astype(int) - photo).mean() < 3
    assert (tmp_path / "out" / LIST).read_text() == (root / LIST).read_text()


def test_the_best_quality_that_fits_is_taken(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each folder keeps below its limit, and a larger limit gives a larger folder."""
    sizes = []
    for number, megabytes in enumerate((0.006, 0.0085, 60)):
        out = tmp_path / str(number)
        packed(root, out, "--megabytes", str(megabytes))
        sizes.append(sum(file.stat().st_size for kind in ("images", "masks") for file in out.glob(f"*/{kind}/*")))
        assert sizes[-1] <= 1e6 * megabytes
    assert sizes == sorted(set(sizes))
    assert f"JPEG quality {pack.QUALITIES[0]}," in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--megabytes", "0.001"], "MB at least; give more"),
        (["--root", "nowhere"], "nowhere"),
        (["--crack-values", "3"], "no mask holds"),
    ],
)
def test_what_cannot_be_packed_is_refused_before_anything_is_written(
    root: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        packed(root, tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_into_a_folder_that_holds_something(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/kept.txt").write_text("kept")
    with pytest.raises(UserError, match="not empty"):
        packed(root, tmp_path / "out")
    with pytest.raises(UserError, match="a file is in the way"):
        packed(root, tmp_path / "out/kept.txt")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["kept.txt"]
