"""Lists without a source: what is left out, what is tested on, also where a source hides in another folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from tests.helpers.drawn_sets import write_set
from tools.release import gallery
from tools.release.lists import leave_out, main, read_tags

TRAIN = ["A/1", "A/2", "B/1", "mixed/A_9", "mixed/C_1", "mixed/C_2"]
VAL = ["A/3", "B/2", "mixed/C_3"]
TAGS = {"A/1": "a", "A/2": "a", "A/3": "a", "B/1": "b", "B/2": "b", "mixed/A_9": "a", "mixed/C_1": "c",
        "mixed/C_2": "c", "mixed/C_3": "c"}  # fmt: skip
LISTS = {"train": TRAIN, "val": VAL}


def test_a_source_is_left_out_of_every_folder() -> None:
    lists = leave_out("A", LISTS, TAGS)
    assert lists.test == ["A/1", "A/2", "A/3"] and lists.elsewhere == 1
    assert lists.kept == {"train": ["B/1", "mixed/C_1", "mixed/C_2"], "val": ["B/2", "mixed/C_3"]}


def test_a_folder_that_is_called_like_its_groups_is_tested_alone() -> None:
    lists = leave_out("A", LISTS, {line: tag.replace("a", "A") for line, tag in TAGS.items()})
    assert lists.test == ["A/1", "A/2", "A/3"] and lists.elsewhere == 1 and "mixed/A_9" not in lists.kept["train"]


def test_without_groups_the_folder_alone_tells() -> None:
    lists = leave_out("A", LISTS, {})
    assert lists.kept["train"] == ["B/1", "mixed/A_9", "mixed/C_1", "mixed/C_2"] and lists.elsewhere == 0


def test_a_source_within_a_folder() -> None:
    lists = leave_out("c", LISTS, TAGS)
    assert lists.test == ["mixed/C_1", "mixed/C_2", "mixed/C_3"] and lists.kept["val"] == ["A/3", "B/2"]


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"--leave-out b1: no such source .*there are: A, B, a, b, c, mixed"):
        leave_out("b1", LISTS, TAGS)
    with pytest.raises(UserError, match="nothing is left of val"):
        leave_out("B", {"train": TRAIN, "val": ["B/2"]}, TAGS)


def write_root(folder: Path) -> Path:
    (folder / "splits").mkdir()
    (folder / "splits" / "release_train.txt").write_text("\n".join(TRAIN) + "\n")
    (folder / "splits" / "release_val.txt").write_text("# chosen by\n" + "\n".join(VAL) + "\n")
    groups = [f"{line.replace('/', chr(9))}\t{tag}:group" for line, tag in TAGS.items()]
    (folder / "splits" / "groups.tsv").write_text("\n".join(["dataset\tstem\tphoto_group", *groups]) + "\n")
    return folder


def test_the_command_writes_lists_of_each_source(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root, out = write_root(tmp_path), tmp_path / "out"
    main(["--leave-out", "A", "B", "--root", str(root), "--out", str(out)])
    assert read_tags(root / "splits" / "groups.tsv") == TAGS
    for source, lines in (("A", ["A/1", "A/2", "A/3"]), ("B", ["B/1", "B/2"])):
        assert (out / f"without_{source}" / "test.txt").read_text().split() == lines
    assert (out / "without_B" / "release_val.txt").read_text().split() == ["A/3", "mixed/C_3"]
    assert "release_train 3 of 6, release_val 2 of 3, test 3 (1 more" in capsys.readouterr().out
    (root / "splits" / "groups.tsv").write_text("head\nA 1 a:group\n")
    with pytest.raises(UserError, match=r"groups.tsv: 'A 1 a:group' is not"):
        main(["--leave-out", "A", "--root", str(root), "--out", str(out)])


# -- contact sheet --------------------------------------------------------------------------------


def test_gallery_has_pages_of_pairs(tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture) -> None:
    write_set(tmp_path / "set")
    folder, out = tmp_path / "set" / "images", tmp_path / "sheet.png"
    for number in range(6, gallery.PAGE + 2):
        (folder / f"{number:03d}.png").write_bytes((folder / "000.png").read_bytes())
    (folder / "003.png").write_bytes(b"no picture")
    gallery.main([str(folder), "--weights", str(tiny_weights), "--restore", "never", "--out", str(out)])
    first, second = (np.asarray(Image.open(path)) for path in (out, tmp_path / "sheet_2.png"))
    wide, high = 2 * gallery.CELL + gallery.GAP, gallery.CELL + gallery.CAPTION
    between = 3 * gallery.GAP
    rows = gallery.PAGE // gallery.COLUMNS
    assert first.shape == (rows * (high + gallery.GAP) - gallery.GAP, gallery.COLUMNS * (wide + between) - between, 3)
    assert second.shape == (high, wide, 3)
    assert "left out: " in capsys.readouterr().err
    photograph = np.asarray(Image.open(tmp_path / "set" / "images" / "000.png"))
    shown = first[: gallery.CELL, : gallery.CELL].astype(int)
    assert abs(shown.mean() - photograph.mean()) < 2  # the photograph itself, enlarged
    assert np.ptp(first[gallery.CELL : high, : gallery.CELL]) > 100  # its caption


def test_a_sheet_keeps_proportions() -> None:
    square = gallery.fitted(np.zeros((100, 50, 3), np.uint8))
    assert square.shape == (gallery.CELL, gallery.CELL, 3)
    dark = (square == 0).all(axis=2)
    assert dark.any(axis=1).all() and dark.any(axis=0).sum() == gallery.CELL // 2
    with pytest.raises(UserError, match="not a PNG"):
        gallery.main(["x", "--out", "sheet.jpg"])
