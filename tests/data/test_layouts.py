"""Which folders below a root are read: halves for their role, no backups; and masks whose names are marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UserError
from data.folders import find_pairs, find_photographs
from tests.helpers.drawn_sets import assert_reads_as_drawn, read_set, write_set


def found(root: Path, **chosen: object) -> tuple[list[str], str]:
    """Names of the pairs, and the notes; photographs without their masks are found alike."""
    notes: list[str] = []
    names = [pair.name for pair in find_pairs(root, notes=notes, **chosen)]
    assert [name for name, _ in find_photographs(root, **chosen)] == names
    return names, " | ".join(notes)


def write_parts(root: Path, *parts: str) -> Path:
    for number, part in enumerate(parts):
        write_set(root / part, numbers=range(number, number + 1))
    return root


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("training", "validation", "testing"), ("Train", "Valid", "Test")],
    ids=lambda names: names[0],
)
def test_each_entry_gets_its_half(tmp_path: Path, names: tuple[str, str, str]) -> None:
    root = write_parts(tmp_path, *names, "extra")
    for number, (role, part) in enumerate(zip(("train", "val", "test"), names, strict=True)):
        pairs, note = found(root, role=role)
        assert pairs == [f"{part}/{number:03d}"]
        assert f"'{part}' taken of" in note
    assert len(found(root)[0]) == 4
    assert found(root, part="extra", role="train")[0] == ["extra/003"]


def test_halves_of_deepcrack(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "test")):
        write_set(tmp_path / part, numbers=range(number, number + 1))
        (tmp_path / part / "images").rename(tmp_path / f"{part}_img")
        (tmp_path / part / "masks").rename(tmp_path / f"{part}_lab")
        (tmp_path / part).rmdir()
    assert found(tmp_path, role="train")[0] == ["train/000"]
    assert found(tmp_path, role="test")[0] == ["test/001"]


def test_no_half_for_a_role(tmp_path: Path) -> None:
    root = write_parts(tmp_path, "train", "test")
    for find in (find_pairs, find_photographs):
        with pytest.raises(UserError, match="parts test, train, but none for val; say which to read, as part: "):
            find(root, role="val")


def test_folders_of_other_names_count_together(tmp_path: Path) -> None:
    root = write_parts(tmp_path, "bridge", "road")
    assert found(root, role="train") == (["bridge/000", "road/001"], "")


@pytest.mark.parametrize(
    "name", ["backup", "train_old", "train - Copy", "bak", ".hidden", "__MACOSX", ".ipynb_checkpoints", "train.bak2"]
)
def test_backups_are_left_alone_and_told(tmp_path: Path, name: str) -> None:
    root = write_parts(tmp_path, "train", name)
    pairs, note = found(root)
    assert pairs == ["train/000"]
    assert f"'{name}' left alone" in note
    assert found(root, part=name)[0] == [f"{name}/001"]
    (root / "list.txt").write_text(f"{name}/001\n")
    assert found(root, split_list="list.txt")[0] == [f"{name}/001"]


@pytest.mark.parametrize("name", ["gold", "holdout", "copyright", "cold_store", "bakery"])
def test_other_names_are_no_backups(tmp_path: Path, name: str) -> None:
    assert found(write_parts(tmp_path, "train", name))[0] == sorted(["train/000", f"{name}/001"])


def test_images_of_the_root_itself_count_alone(tmp_path: Path) -> None:
    root = write_parts(tmp_path, ".", "more")
    pairs, note = found(root, role="train")
    assert pairs == ["000"]
    assert "'more' left alone" in note


@pytest.mark.parametrize("name", ["{:03d}_mask", "{:03d}_label", "{:03d}_gt", "mask_{:03d}"])
def test_masks_whose_names_are_marked(tmp_path: Path, name: str) -> None:
    source = read_set(write_set(tmp_path, name=name))
    assert_reads_as_drawn(source)
    assert source.notes == (f"6 masks are called like '{name.format(0)}.png' for '000.png'",)


def test_two_marked_masks_are_not_chosen_from(tmp_path: Path) -> None:
    write_set(tmp_path, name="{:03d}_mask")
    write_set(tmp_path, name="{:03d}_gt", numbers=range(1))
    with pytest.raises(UserError, match="'.*000.png' has no mask"):
        find_pairs(tmp_path)


@pytest.mark.parametrize("suffix", [".jfif", ".jpg"])
def test_what_is_passed_over_is_told(tmp_path: Path, suffix: str) -> None:
    root = write_set(tmp_path, photo_suffix=suffix)
    for name in ("images/a.heic", "images/b.heic", "masks/notes.txt"):
        (root / name).write_bytes(b"")
    write_set(tmp_path / "others", numbers=range(1), name="left")
    (tmp_path / "others/masks/left.png").rename(root / "masks/left.png")
    notes: list[str] = []
    assert len(find_pairs(root, notes=notes)) == 6
    assert [note for note in notes if "passed over 1 .txt" in note]
    assert notes[-1].endswith("passed over 1 masks without a photograph, first 'left.png'")
