"""Sources: loading, the memory cache, splits that do not depend on the machine, identity."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contracts.errors import UserError
from data.facts import require_cracks
from data.folders import find_pairs
from data.sources import Cached, FilePairs, Subset, fingerprint, split_random


class Numbers:
    """A source of names only."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"photo_{index:03d}"

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full((4, 4, 3), index, np.uint8), np.zeros((4, 4), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for number in range(5):
        pixels = random.integers(0, 256, (32, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
        Image.fromarray((pixels[:, :, 0] > 250).astype(np.uint8) * 255).save(tmp_path / f"masks/{number}.png")
    return tmp_path


@pytest.mark.parametrize("cache_mb", [0, 0.015, 10])  # nothing fits, two of five fit, all fit
def test_load_is_the_same_with_any_cache(folder: Path, cache_mb: float) -> None:
    source = Cached(FilePairs(find_pairs(folder)), cache_mb=cache_mb)
    for _ in range(2):
        for index in range(len(source)):
            image, mask = source.load(index)
            expected = np.array(Image.open(folder / f"images/{source.name(index)}.png"))
            np.testing.assert_array_equal(image, expected)
            np.testing.assert_array_equal(mask, expected[:, :, 0] > 250)
    cached = sum(source.load(index)[0] is source.load(index)[0] for index in range(5))
    assert cached == {0: 0, 0.015: 2, 10: 5}[cache_mb]


def test_cached_arrays_cannot_be_changed(folder: Path) -> None:
    image, mask = Cached(FilePairs(find_pairs(folder))).load(0)
    for array in (image, mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_any_source_can_be_cached() -> None:
    plain = Numbers(6)
    source = Cached(plain, cache_mb=1)
    assert source.load(2)[0] is source.load(2)[0]
    assert [source.name(index) for index in range(len(source))] == [plain.name(index) for index in range(6)]
    assert fingerprint(source) == fingerprint(plain)


def test_pickle_leaves_the_cache_behind(folder: Path) -> None:
    source = Cached(FilePairs(find_pairs(folder)))
    bare = len(pickle.dumps(source))
    source.load(0)
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) == bare
    np.testing.assert_array_equal(copy.load(0)[0], source.load(0)[0])


def test_bad_files_are_found_before_training(folder: Path) -> None:
    with pytest.raises(UserError, match="no pair"):
        FilePairs([])
    Image.new("L", (48, 31)).save(folder / "masks/3.png")
    with pytest.raises(UserError, match=r"3\.png.*differ in size"):
        Cached(FilePairs(find_pairs(folder)))
    (folder / "images/1.png").write_text("no image")
    with pytest.raises(UserError, match=r"cannot read image .*1\.png"):
        Cached(FilePairs(find_pairs(folder)))


def test_size_is_checked_again_when_loading(folder: Path) -> None:
    source = Cached(FilePairs(find_pairs(folder)))
    Image.new("L", (48, 31)).save(folder / "masks/3.png")
    with pytest.raises(UserError, match="differ in size"):
        source.load(3)


def test_all_masks_empty(folder: Path) -> None:
    require_cracks(Cached(FilePairs(find_pairs(folder))), "datasets:train")
    with pytest.raises(UserError, match=r"datasets:train.*all 3 images are empty.*white"):
        require_cracks(Numbers(3), "datasets:train")


@given(st.integers(4, 60), st.integers(0, 1000), st.floats(0.3, 0.7))
def test_split_is_disjoint_and_exact(count: int, seed: int, fraction: float) -> None:
    first, second = split_random(Numbers(count), [fraction, 1 - fraction], seed)
    names = [[part.name(index) for index in range(len(part))] for part in (first, second)]
    assert sorted(names[0] + names[1]) == [Numbers(count).name(index) for index in range(count)]
    assert all(part == sorted(part) for part in names)
    assert abs(len(first) - fraction * count) <= 0.5


def test_split_is_the_same_everywhere() -> None:
    part = split_random(Numbers(12), [0.25, 0.5], seed=3)[0]
    assert [part.name(index) for index in range(3)] == ["photo_002", "photo_007", "photo_008"]
    reordered = Subset(Numbers(12), list(range(11, -1, -1)))
    again = split_random(reordered, [0.25, 0.5], seed=3)[0]
    assert [again.name(index) for index in range(3)] == [part.name(index) for index in range(3)]
    assert again.load(0)[0][0, 0, 0] == 2


@pytest.mark.parametrize("fractions", [[], [0.5, 0.6], [0.0, 1.0], [0.01]])
def test_bad_fractions(fractions: list[float]) -> None:
    with pytest.raises(UserError, match="fractions"):
        split_random(Numbers(8), fractions, seed=0)


def test_a_fingerprint_follows_names_and_files(folder: Path) -> None:
    source = Cached(FilePairs(find_pairs(folder)))
    before = fingerprint(source)
    assert len(before) == 64
    assert fingerprint(Cached(FilePairs(find_pairs(folder)), cache_mb=0)) == before
    assert fingerprint(Subset(source, [0, 1])) != fingerprint(Subset(source, [0, 2]))
    with (folder / "masks/3.png").open("ab") as file:
        file.write(b"x")
    assert fingerprint(source) != before
    assert fingerprint(Numbers(3)) == fingerprint(Numbers(3)) != fingerprint(Numbers(4))
