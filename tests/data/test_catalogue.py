"""Photographs known by name and content, and held out by name alone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contracts.errors import UserError
from data.catalogue import catalogue, difference
from data.folders import find_pairs, find_photographs
from data.labels import Labelled, Photographs
from data.resized import Resized
from data.sources import Cached, FilePairs, Subset, hold_out
from data.synthetic import SyntheticSource
from tests.helpers.folders import write_photographs

SIZES = dict.fromkeys("abc", (40, 48))


class Named:
    """A source of nothing but names."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return self.names[index]


def pairs(root: Path) -> FilePairs:
    return FilePairs(find_pairs(root))


# -- the catalogue --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_where_the_files_lie_does_not_matter_and_what_is_in_them_does(tmp_path: Path, kind: str) -> None:
    here, there = tmp_path / "here", tmp_path / "elsewhere" / "there"
    before = catalogue(pairs(write_photographs(here, SIZES)))
    shutil.copytree(here, there)
    assert catalogue(pairs(there)) == before and list(before) == ["a", "b", "c"]
    path = there / kind / "b.png"
    pixels = np.asarray(Image.open(path)).copy()
    Image.fromarray(pixels).save(path.with_suffix(".bmp"))  # the same in another file
    path.unlink()
    assert catalogue(pairs(there)) == before
    pixels[7, 9] = 255 - pixels[7, 9]
    Image.fromarray(pixels).save(path.with_suffix(".bmp"))
    now = catalogue(pairs(there))
    assert [name for name in now if now[name] != before[name]] == ["b"]


def test_what_is_done_to_a_source_keeps_its_photographs(tmp_path: Path) -> None:
    source = pairs(write_photographs(tmp_path, SIZES))
    whole = catalogue(source)
    assert catalogue(Cached(Resized(source, 64))) == whole
    assert catalogue(Subset(source, [2, 0])) == {"c": whole["c"], "a": whole["a"]}


def test_labels_are_part_of_what_is_learned(tmp_path: Path) -> None:
    root = write_photographs(tmp_path, SIZES)
    source = Photographs(find_photographs(root))
    first, other = (
        catalogue(Labelled(source, labels))
        for labels in ({"a": True, "b": False, "c": False}, {"a": True, "b": True, "c": False})
    )
    assert [name for name in first if first[name] != other[name]] == ["b"]
    (root / "masks" / "a.png").unlink()  # masks are not looked at
    assert catalogue(Labelled(source, {"a": True, "b": False, "c": False})) == first


def test_drawn_photographs() -> None:
    few, more = catalogue(SyntheticSource(2, size=64, seed=3)), catalogue(SyntheticSource(3, size=64, seed=3))
    assert few.items() < more.items()
    assert catalogue(SyntheticSource(2, size=96, seed=3)).keys() == few.keys()
    assert not catalogue(SyntheticSource(2, size=96, seed=3)).items() & few.items()


def test_of_a_source_without_facts_names_are_compared() -> None:
    assert difference(catalogue(Named(["a", "b"])), catalogue(Named(["b", "c"]))) == (
        "2 then, 2 now: 1 added (c), 1 removed (a)"
    )


def test_differences_in_words() -> None:
    before = {"a": "1", "b": "2", "c": "3", "d": "4"}
    assert difference(before, dict(reversed(before.items()))) is None
    now = {"a": "1", "b": "9", "e": "5", **{f"x{number}": "6" for number in range(4)}}
    assert difference(before, now) == ("4 then, 7 now: 5 added (e, x0, x1, ...), 2 removed (c, d), 1 changed (b)")


# -- held out -------------------------------------------------------------------------------------

several = st.lists(st.text(min_size=1, max_size=8), min_size=8, max_size=60, unique=True)


@given(several, st.integers(0, 99), st.sampled_from([0.1, 0.5, 0.9]), st.data())
def test_photographs_that_come_or_go_move_no_other(
    names: list[str], seed: int, share: float, data: st.DataObject
) -> None:
    fewer = data.draw(st.lists(st.sampled_from(names), min_size=8, unique=True))
    notes: list[str] = []
    sides = [
        [{part.name(index) for index in range(len(part))} for part in hold_out(Named(some), share, seed, notes.append)]
        for some in (names, fewer)
    ]
    (kept, held), (kept_of_fewer, held_of_fewer) = sides
    assert kept | held == set(names) and not kept & held and kept and held
    assert notes or (kept_of_fewer <= kept and held_of_fewer <= held)


def test_the_side_by_hand_and_its_share() -> None:
    names = [f"photo_{number}" for number in range(2000)]
    _, held = hold_out(Named(names), 0.1, 7)
    expected = [name for name in names if int(hashlib.sha256(f"7:{name}".encode()).hexdigest(), 16) / 2**256 < 0.1]
    assert [held.name(index) for index in range(len(held))] == sorted(expected)
    assert abs(len(held) - 200) < 5 * np.sqrt(2000 * 0.1 * 0.9)


@pytest.mark.parametrize(
    ("share", "sides", "word"), [(1e-9, (3, 1), "none is held out"), (1 - 1e-9, (1, 3), "none is kept")]
)
def test_no_side_of_a_small_set_is_empty_and_that_is_told(share: float, sides: tuple[int, int], word: str) -> None:
    notes: list[str] = []
    parts = hold_out(Named(list("abcd")), share, 0, notes.append)
    assert tuple(map(len, parts)) == sides
    lone = parts[1 if sides[1] == 1 else 0].name(0)
    assert len(notes) == 1 and word in notes[0] and notes[0].endswith(f", {lone}, is taken")


def test_one_photograph_cannot_be_shared() -> None:
    with pytest.raises(UserError, match="holdout 0.5 needs two photographs, there is 1"):
        hold_out(Named(["a"]), 0.5, 0)
