"""What a set's files agree on beside mask values: EXIF turns, depth, names that are no UTF-8, what they are about."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from data.facts import describe, digests_of, facts_of, has_crack, repeated, require_cracks
from data.folders import find_pairs, find_photographs
from data.labels import Photographs, labels_from_masks
from data.orientation import upright
from data.resized import Resized
from data.sources import Cached, FilePairs, Subset, fingerprint, split_random
from data.synthetic import SyntheticSource
from tests.helpers.drawn_sets import COUNT, assert_reads_as_drawn, drawn, read_set, write_set
from tests.helpers.errors import assert_holds, error_of

INVERSE = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}


def write_turned(root: Path, tag: int, numbers: range = range(COUNT), stored: bool = False, height: int = 96) -> Path:
    """A set whose photographs carry an EXIF turn, and whose masks do not: as the photographs look, or as ``stored``."""
    write_set(root)
    exif = Image.Exif()
    exif[0x0112] = tag
    for number in range(COUNT):
        photo, mask = (np.ascontiguousarray(array[:height]) for array in drawn(number))
        marked = {"exif": exif} if number in numbers else {}
        if marked:
            photo, turned = upright(photo, INVERSE[tag]), upright(mask, INVERSE[tag])
            mask = turned if stored else mask
        Image.fromarray(np.ascontiguousarray(photo)).save(root / f"images/{number:03d}.png", **marked)
        Image.fromarray(np.ascontiguousarray(mask * np.uint8(255))).save(root / f"masks/{number:03d}.png")
    return root


@pytest.mark.parametrize("tag", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("stored", [False, True])
def test_turns_that_sizes_do_not_tell(tmp_path: Path, tag: int, stored: bool) -> None:
    root = write_turned(tmp_path, tag, range(2), stored)
    with pytest.raises(UserError, match=r"2 photographs carry an EXIF turn.*'000.png', '001.png'.*stored.*upright"):
        read_set(root)
    source = read_set(root, mask_orientation="stored" if stored else "upright")
    assert_reads_as_drawn(source)
    np.testing.assert_array_equal(source.load(0)[0], drawn(0)[0])


@pytest.mark.parametrize("tag", [5, 6, 7, 8])
def test_sizes_tell_turns(tmp_path: Path, tag: int) -> None:
    upright_set = read_set(write_turned(tmp_path / "upright", tag, range(2), height=64))
    np.testing.assert_array_equal(upright_set.load(0)[1], drawn(0)[1][:64])
    assert upright_set.notes == ()
    root = write_turned(tmp_path / "stored", tag, range(2), stored=True, height=64)
    with pytest.raises(UserError, match=r"2 of 6.*000.png.*EXIF.*mask_orientation: stored"):
        read_set(root)
    turned = read_set(root, mask_orientation="stored")
    np.testing.assert_array_equal(turned.load(0)[1], drawn(0)[1][:64])


def test_pairs_that_tell_decide_for_the_others(tmp_path: Path) -> None:
    root = write_turned(tmp_path / "mine", 6, height=64)
    write_turned(tmp_path / "square", 6)
    for kind in ("images", "masks"):
        os.replace(tmp_path / "square" / kind / "000.png", root / kind / "000.png")
    source = read_set(root)
    np.testing.assert_array_equal(source.load(0)[1], drawn(0)[1])
    assert "masks are upright, as those of the other turned photographs" in source.notes[0]


def test_orientation_that_has_no_effect(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mask_orientation: stored has no effect"):
        read_set(write_set(tmp_path), mask_orientation="stored")


def test_depth_is_that_of_the_brightest_photograph(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    values = [drawn(number)[0].astype(np.uint16) * (4 if number else 1) for number in range(3)]  # 10 bits, one dark
    for number, value in enumerate(values):
        cv2.imwrite(str(root / f"images/{number:03d}.png"), value[:, :, ::-1])
    source = read_set(root)
    for number, value in enumerate(values):
        np.testing.assert_array_equal(source.load(number)[0], np.rint(value * (255 / 1023)).astype(np.uint8))
    (note,) = source.notes
    assert note.startswith("3 photographs: values up to") and "10 bits" in note
    assert read_set(root, bits=12).load(1)[0].max() <= 255 / 4 + 1
    with pytest.raises(UserError, match="bits: .*more than 8 allows"):
        read_set(root, bits=8)
    with pytest.raises(UserError, match="bits: 12 is for files of 16 bits"):
        read_set(write_set(tmp_path / "plain"), bits=12)
    assert fingerprint(read_set(root)) != fingerprint(read_set(root, bits=12))


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    root = write_set(tmp_path, numbers=range(2))
    for kind in ("images", "masks"):
        os.rename(root / kind / "000.png", os.fsencode(root / kind) + b"/stra\xdfe.png")
    (root / "list.txt").write_bytes(b"stra\xdfe\n")
    source = FilePairs(find_pairs(root))
    assert [source.name(0), source.name(1)] == ["001", "stra\\xdfe"]
    np.testing.assert_array_equal(source.load(1)[1], drawn(0)[1])
    assert len(fingerprint(source)) == 64 and len(split_random(source, [0.5, 0.5], 1)) == 2
    assert [pair.name for pair in find_pairs(root, root / "list.txt")] == ["stra\\xdfe"]
    assert [name for name, _ in find_photographs(root)] == ["001", "stra\\xdfe"]


def test_files_that_cannot_be_read_are_told_together(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    for number in (1, 4):
        path = root / f"images/{number:03d}.png"
        path.write_bytes(path.read_bytes()[:900])
    (root / "masks/002.png").write_text("no picture")
    Image.new("L", (96, 95)).save(root / "masks/003.png")
    message = error_of(read_set, root)
    assert message.startswith("3 of 6 photographs cannot be used")
    assert message.endswith("replace or remove these files")
    assert_holds(message, ["images/001.png", "masks/002.png", "images/004.png"])
    with pytest.raises(UserError, match="2 of 6.*001.png.*004.png"):
        Photographs(find_photographs(root))


def test_digests_stand_for_what_is_seen(tmp_path: Path) -> None:
    first = read_set(write_set(tmp_path / "first"))
    renamed = read_set(write_set(tmp_path / "second", photo_suffix=".tif"))
    assert digests_of(first) == digests_of(renamed) == digests_of(Cached(Resized(first, 64)))
    assert len(set(digests_of(first))) == COUNT and all(len(digest) == 16 for digest in digests_of(first))
    assert repeated(Subset(renamed, [4, 5]), set(digests_of(first)[:5])) == ["004"]
    other = SyntheticSource(4, size=64, seed=2)
    assert set(digests_of(SyntheticSource(4, size=64, seed=1))).isdisjoint(digests_of(other))
    assert digests_of(SyntheticSource(2, size=64, seed=2, first=1)) == digests_of(other)[1:3]


def test_labels_are_those_of_the_masks_before_resizing(tmp_path: Path) -> None:
    """A crack of one pixel that a smaller mask has lost."""

    def thin(mask: np.ndarray, number: int) -> np.ndarray:
        lost = np.zeros_like(mask)
        lost[1::9, 3] = 255 * (number % 2)
        return lost

    source = Cached(Resized(read_set(write_set(tmp_path, thin)), 32))
    assert sum(source.load(number)[1].any() for number in range(COUNT)) == 0
    assert list(labels_from_masks(source).values()) == [False, True] * 3
    require_cracks(source, "datasets.train")
    drawn_small = Resized(SyntheticSource(6, size=96, seed=5), 32)
    expected = [SyntheticSource(6, size=96, seed=5).load(index)[1].any() for index in range(6)]
    assert [has_crack(drawn_small, index) for index in range(6)] == expected


def test_notes_are_counted(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    for number in (1, 2):
        Image.fromarray(drawn(number)[0]).save(
            root / f"images/{number:03d}.png", exif=b"Exif\0\0MM\0\x99damaged" + bytes(20)
        )
    (root / "images/list.docx").write_text("")
    lines = describe(read_set(root), "datasets.val")[1:]
    assert len(lines) == 2
    assert "passed over 1 .docx" in lines[0]
    assert lines[1] == "datasets.val: 2 photographs, first '001.png': the EXIF data is damaged: taken as upright"


def test_drawn_photographs_are_not_drawn_to_be_counted() -> None:
    source = SyntheticSource(10**6, size=64)
    assert describe(Subset(source, range(5)), "datasets.train") == ["datasets.train: 5 photographs"]
    assert len(facts_of(Subset(source, [3]))) == 1
