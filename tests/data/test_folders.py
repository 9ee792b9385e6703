"""Folder layouts, split lists, and the one-line errors that bad folders get."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from data.folders import find_pairs
from data.pairing import Pair, pair_folders
from data.sources import FilePairs
from tests.helpers.errors import assert_holds, error_of


def write(path: Path, height: int = 6, width: int = 8, value: int = 0, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width), value, np.uint8)).save(path, **options)
    return path


def add_pairs(images: Path, masks: Path, stems: str, mask_suffix: str = ".png") -> None:
    for stem in stems.split():
        write(images / f"{stem}.jpg")
        write(masks / f"{stem}{mask_suffix}")


def names(pairs: list[Pair]) -> list[str]:
    return [pair.name for pair in pairs]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    add_pairs(tmp_path / "images", tmp_path / "masks", "b a c.v2")
    return tmp_path


@pytest.fixture
def several(tmp_path: Path) -> Path:
    add_pairs(tmp_path / "CFD/images", tmp_path / "CFD/masks", "001 002 003")
    add_pairs(tmp_path / "SUT/images", tmp_path / "SUT/masks", "001 x")
    write(tmp_path / "broken/images/no_mask.png")
    (tmp_path / "broken/masks").mkdir()
    (tmp_path / "splits").mkdir()
    return tmp_path


def test_plain_layout_pairs_by_stem(plain: Path) -> None:
    write(plain / "masks" / "left_over.png")
    (plain / "images" / "Thumbs.db").write_text("")
    pairs = find_pairs(plain)
    assert names(pairs) == ["a", "b", "c.v2"]
    assert (pairs[0].image, pairs[0].mask) == (plain / "images/a.jpg", plain / "masks/a.png")
    assert names(find_pairs(str(plain), split_list=[])) == names(pairs)


def test_crack_segmentation_dataset_layout(tmp_path: Path) -> None:
    for part, stems in (("train", "CFD_001 CFD_002"), ("test", "CFD_003")):
        add_pairs(tmp_path / part / "images", tmp_path / part / "masks", stems, ".jpg")
    assert names(find_pairs(tmp_path, part="train")) == ["train/CFD_001", "train/CFD_002"]
    assert names(find_pairs(tmp_path, part="test")) == ["test/CFD_003"]
    assert len(find_pairs(tmp_path)) == 3
    assert names(find_pairs(tmp_path / "test")) == ["CFD_003"]


def test_deepcrack_layout(tmp_path: Path) -> None:
    add_pairs(tmp_path / "train_img", tmp_path / "train_lab", "11111 11112-1")
    add_pairs(tmp_path / "test_img", tmp_path / "test_lab", "7Q3A9060-18")
    assert names(find_pairs(tmp_path, part="train")) == ["train/11111", "train/11112-1"]
    assert find_pairs(tmp_path, part="test")[0].mask == tmp_path / "test_lab/7Q3A9060-18.png"


def test_two_folders_of_any_name(tmp_path: Path) -> None:
    add_pairs(tmp_path / "photos", tmp_path / "drawn", "1 2")
    assert names(pair_folders(tmp_path / "photos", tmp_path / "drawn")) == ["1", "2"]


def test_split_lists(several: Path) -> None:
    first, second = several / "splits/first.txt", several / "splits/second.txt"
    first.write_text("# thin cracks\nCFD/003\n\nCFD/001.jpg\n")
    second.write_text("\ufeffSUT/001\r\nCFD/001\r\n", encoding="utf-8")
    assert names(find_pairs(several, first)) == ["CFD/001", "CFD/003"]  # 'broken' is not looked into
    assert names(find_pairs(several, [first, "splits/second.txt"])) == ["CFD/001", "CFD/003", "SUT/001"]


def test_split_list_of_plain_stems(plain: Path) -> None:
    (plain / "list.txt").write_text("c.v2\na\n")
    assert names(find_pairs(plain, "list.txt")) == ["a", "c.v2"]


def test_image_without_mask(several: Path) -> None:
    parts = ["no_mask.png' has no mask", str(several / "broken/masks/no_mask"), "add the mask"]
    assert_holds(error_of(find_pairs, several), parts)


def test_image_without_mask_suggests_near_names(plain: Path) -> None:
    for stem in ("road_1", "road_2"):
        write(plain / "images" / f"{stem}.png")
        write(plain / "masks" / f"{stem}_drawn.png")
    assert re.search(r"and 1 more.*did you mean 'road_1_drawn'", error_of(find_pairs, plain))


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_two_files_of_one_stem(plain: Path, kind: str) -> None:
    write(plain / kind / "a.bmp")
    assert re.search(rf"two {kind} of the same stem.*a\.bmp.*a\.(jpg|png)", error_of(find_pairs, plain))


def test_missing_folders(tmp_path: Path, plain: Path) -> None:
    with pytest.raises(UserError, match="no folder '.*absent'"):
        find_pairs(plain / "absent")
    with pytest.raises(UserError, match="no photographs with masks"):
        find_pairs(plain / "images")
    write(tmp_path / "lonely/images/a.png")
    with pytest.raises(UserError, match="no folder '.*lonely/masks'"):
        find_pairs(tmp_path / "lonely")
    (tmp_path / "empty/images").mkdir(parents=True)
    (tmp_path / "empty/masks").mkdir()
    with pytest.raises(UserError, match="no image in folder '.*empty/images'"):
        find_pairs(tmp_path / "empty")


def test_unknown_part(several: Path) -> None:
    with pytest.raises(UserError, match=r"no part 'CFT'.*did you mean 'CFD'.*CFD, SUT"):
        find_pairs(several, part="CFT")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("CFD/01\n", r"names 'CFD/01'.*no image of that stem.*did you mean '0"),
        ("CDF/001\n", r"no such folder.*did you mean 'CFD'"),
        ("001\n", r"names '001'.*no such folder.*folders there: CFD, SUT, broken"),
        ("# nothing\n", "names no image"),
    ],
)
def test_bad_split_lists(several: Path, content: str, message: str) -> None:
    (several / "bad.txt").write_text(content)
    error = error_of(find_pairs, several, "bad.txt")
    assert "bad.txt" in error and re.search(message, error)


def test_unreadable_split_lists(several: Path) -> None:
    with pytest.raises(UserError, match="no split list 'absent.txt'"):
        find_pairs(several, "absent.txt")
    (several / "binary.txt").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UserError, match="no text file"):
        find_pairs(several, "binary.txt")


def test_different_sizes(tmp_path: Path) -> None:
    pair = Pair("a", write(tmp_path / "a.png", 6, 8), write(tmp_path / "m.png", 6, 9))
    assert re.search(r"a.png.*m.png.*8x6 and 9x6 pixels", error_of(FilePairs, [pair]))


def test_mask_must_fit_the_upright_photograph(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = write(tmp_path / "photo.jpg", 6, 8, exif=exif)
    FilePairs([Pair("a", photo, write(tmp_path / "upright.png", 8, 6))])
    with pytest.raises(UserError, match="EXIF"):
        FilePairs([Pair("a", photo, write(tmp_path / "as_stored.png", 6, 8))])


def test_real_photographs(shared: Path) -> None:
    splits = shared / "data/splits"
    pairs = find_pairs(shared / "data", [splits / "cfd_train.txt", splits / "test_uav75.txt"])
    assert len(pairs) == 95
    assert pairs[0].name == "CFD/001"
    FilePairs(pairs)
