"""Image labels from names, masks and CSV files; sources that hide masks; random splits and sizes by options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from data.dataset import CrackDataset, collate
from data.folders import find_pairs, find_photographs
from data.labels import Labelled, Photographs, labels_by_folder, labels_by_prefix, labels_from_csv, labels_from_masks
from data.resized import Resized
from data.sources import FilePairs, fingerprint
from data.synthetic import SyntheticSource
from engine.build.data import build_source, build_train_sources
from tests.helpers.errors import assert_holds
from tests.helpers.folders import write_photographs
from tests.helpers.runs import option_error, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photographs(tmp_path / "data", {"a": (40, 60), "b": (40, 60)})
    return write_photographs(tmp_path / "data", {"noncrack_c": (40, 60), "noncrack_d": (50, 40)}, crack=False)


# -- where labels come from -----------------------------------------------------------------------


def test_labels_by_prefix_look_at_the_stem() -> None:
    names = ["train/noncrack_1", "train/CFD_1", "noncrack_x/1", "clean-2"]
    assert list(labels_by_prefix(names, ["noncrack", "clean"]).values()) == [False, True, True, False]


def test_labels_by_folder_look_at_its_whole_name() -> None:
    names = ["noncrack/1", "crack/noncrack_1", "noncrack_x/1", "noncrack_2"]
    assert list(labels_by_folder(names, ["noncrack"]).values()) == [False, True, True, True]


def test_labels_from_masks(folder: Path) -> None:
    labels = labels_from_masks(FilePairs(find_pairs(folder)))
    assert labels == {"a": True, "b": True, "noncrack_c": False, "noncrack_d": False}


@pytest.mark.parametrize(
    "text", ["name,label\na.jpg,1\nsub/b,cracked\n\nother,0\nc,FALSE\n", "\ufeffa,1\nb.png, 1 \nc,uncracked"]
)
def test_labels_from_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    names = ["a", "sub/b", "c"]
    assert labels_from_csv(tmp_path / "labels.csv", names) == {"a": True, "sub/b": True, "c": False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1\n", "no line for 'b' .and 1 more.*add NAME,1"),
        ("a,1\nb,maybe\n", "line 2: 'b,maybe' is not NAME,1"),
        ("a,1\nb\n", "line 2: 'b' is not"),
    ],
)
def test_faults_of_a_csv_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        labels_from_csv(tmp_path / "labels.csv", ["a", "b", "c"])
    with pytest.raises(UserError, match="absent.csv' cannot be read"):
        labels_from_csv(tmp_path / "absent.csv", ["a"])


# -- sources without masks ------------------------------------------------------------------------


def test_photographs_are_found_without_masks(folder: Path, tmp_path: Path) -> None:
    expected = ["a", "b", "noncrack_c", "noncrack_d"]
    assert [name for name, _ in find_photographs(folder)] == expected
    assert [name for name, _ in find_photographs(folder / "images")] == expected  # nothing but photographs
    (tmp_path / "list.txt").write_text("b\na.png\n")
    assert [name for name, _ in find_photographs(folder, tmp_path / "list.txt")] == ["a", "b"]
    (tmp_path / "list.txt").write_text("bb\n")
    with pytest.raises(UserError, match="names 'bb', but there is no such image"):
        find_photographs(folder, tmp_path / "list.txt")
    (tmp_path / "set").mkdir()
    folder.rename(tmp_path / "set" / "train")
    assert next(name for name, _ in find_photographs(tmp_path / "set")) == "train/a"
    assert len(find_photographs(tmp_path / "set", part="train")) == 4
    with pytest.raises(UserError, match="no part 'test'"):
        find_photographs(tmp_path / "set", part="test")


def test_a_folder_for_each_class(folder: Path, tmp_path: Path) -> None:
    photographs = tmp_path / "classes"
    for name, stems in (("crack", "ab"), ("sound", ("noncrack_c", "noncrack_d"))):
        (photographs / name).mkdir(parents=True)
        for stem in stems:
            next((folder / "images").glob(f"{stem}.*")).rename(photographs / name / f"{stem}.png")
    names = [name for name, _ in find_photographs(photographs)]
    assert names == ["crack/a", "crack/b", "sound/noncrack_c", "sound/noncrack_d"]
    source, _ = weak(photographs, "{source: folder, uncracked: [sound]}")
    assert [int(source.label(index)) for index in range(4)] == [1, 1, 0, 0]
    with pytest.raises(UserError, match="no photographs with masks"):
        find_pairs(photographs)


def test_masks_are_not_even_opened(folder: Path) -> None:
    for mask in (folder / "masks").iterdir():
        mask.unlink()
    source = Photographs(find_photographs(folder))
    image, mask = source.load(0)
    assert image.shape == (40, 60, 3) and mask.shape == (40, 60) and np.isnan(mask).all()


def test_a_labelled_source_hides_its_masks(folder: Path) -> None:
    pairs = FilePairs(find_pairs(folder))
    source = Labelled(pairs, labels_from_masks(pairs))
    assert [source.label(index) for index in range(4)] == [True, True, False, False]
    assert np.isnan(source.load(0)[1]).all()
    other = Labelled(pairs, {name: name != "a" for name in ("a", "b", "noncrack_c", "noncrack_d")})
    assert fingerprint(source) != fingerprint(other)


@pytest.mark.parametrize(("label", "message"), [(True, "all of 4"), (False, "none of 4")])
def test_one_class_alone_is_refused(folder: Path, label: bool, message: str) -> None:
    pairs = FilePairs(find_pairs(folder))
    with pytest.raises(UserError, match=f"datasets.train.labels: {message} photographs count as cracked"):
        Labelled(pairs, {pairs.name(index): label for index in range(4)})


def test_labels_arrive_in_the_batch(folder: Path) -> None:
    names = ["a", "b", "noncrack_c", "noncrack_d"]
    source = Labelled(Photographs(find_photographs(folder)), labels_by_prefix(names, ["non"]))
    dataset = CrackDataset(source, crop=64, seed=0, distance=False)  # larger than the photographs: padded
    batch = collate([dataset[0, index] for index in (0, 2, 1)])
    assert batch.label.tolist() == [1.0, 0.0, 1.0] and batch.label.dtype == batch.hr.dtype
    assert batch.hr.isfinite().all() and batch.mask.isnan().all()


# -- options --------------------------------------------------------------------------------------

FOLDER = "datasets:train:type=folder"
WEAK = ("loss={segmentation: image_label}", "datasets:train:augmentation:crack_crop_probability=0")


def weak(folder: Path, labels: str, *changes: str) -> tuple:
    return build_train_sources(
        tiny(folder, FOLDER, f"datasets:train:root={folder}", f"datasets:train:labels={labels}",
             "datasets:train:count=null", *WEAK, *changes)
    )  # fmt: skip


def test_labels_by_options(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("a,0\nb,1\nnoncrack_c,0\nnoncrack_d,1\n")
    for labels, expected in (
        ("{source: prefix}", [1, 1, 0, 0]),
        ("{source: masks}", [1, 1, 0, 0]),
        (f"{{source: csv, file: {tmp_path / 'labels.csv'}}}", [0, 1, 0, 1]),
        ("{source: prefix, uncracked: [a, b]}", [0, 0, 1, 1]),
    ):
        source, _ = weak(folder, labels)
        assert [int(source.label(index)) for index in range(4)] == expected


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (["loss={segmentation: image_label}"], ["loss.segmentation image_label", "datasets.train.labels"]),
        (["datasets:train:labels={source: masks}"], ["datasets.train.labels hide", "boundary_combo"]),
        ([*WEAK, "datasets:train:labels={source: csv}"], ["datasets.train.labels", "file"]),
        ([*WEAK, "datasets:train:labels={source: prefix, file: x}"], ["datasets.train.labels", "file"]),
        ([*WEAK, "datasets:train:labels={source: masks}", "datasets:train:holdout=0.1"], ["holdout needs masks"]),
        (
            [*WEAK, "datasets:train:labels={source: masks}", "datasets:train:augmentation:crack_crop_probability=0.1"],
            ["crack_crop_probability needs masks"],
        ),
        ([*WEAK, "datasets:train:labels={source: masks}", "loss:fail_oriented=1"], ["loss.fail_oriented"]),
        (["datasets:train:keep_aspect=true"], ["keep_aspect needs resize"]),
        (["datasets:train:split={use: tests}"], ["'tests' is none of the fractions (train, val, test)"]),
        (["datasets:train:split={use: a, fractions: {a: 0.7, b: 0.7}}"], ["at most 1"]),
    ],
)
def test_contradictions_are_refused(changes: list[str], parts: list[str]) -> None:
    assert_holds(option_error(*changes), parts)


def test_labels_of_drawn_photographs_come_from_masks(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="datasets.train: labels of source prefix are for type folder"):
        build_train_sources(tiny(tmp_path, "datasets:train:labels={source: prefix}", *WEAK))


def test_a_split_takes_every_photograph_once(folder: Path, tmp_path: Path) -> None:
    parts = []
    for use in ("train", "val", "test"):
        split = f"datasets:test:split={{use: {use}, fractions: {{train: 0.5, val: 0.25, test: 0.25}}}}"
        data = ("datasets:test:type=folder", f"datasets:test:root={folder}", "datasets:test:count=null")
        options = tiny(tmp_path, *data, split)
        source = build_source(options.datasets.test, "datasets.test")
        parts.append([source.name(index) for index in range(len(source))])
    assert [len(part) for part in parts] == [2, 1, 1]
    assert sorted(sum(parts, [])) == ["a", "b", "noncrack_c", "noncrack_d"]


def test_photographs_are_resized(folder: Path, tmp_path: Path) -> None:
    squares = Resized(FilePairs(find_pairs(folder)), 32)
    image, mask = squares.load(0)
    assert image.shape == (32, 32, 3) and mask.shape == (32, 32) and set(np.unique(mask)) == {0, 1}
    proportional = Resized(FilePairs(find_pairs(folder)), 120, keep_aspect=True)
    assert proportional.load(0)[0].shape == (80, 120, 3) and proportional.load(3)[1].shape == (120, 96)
    expected = np.asarray(Image.open(folder / "masks" / "a.png").resize((120, 80), Image.Resampling.NEAREST)) > 0
    assert np.array_equal(proportional.load(0)[1] > 0, expected)
    assert fingerprint(squares) != fingerprint(proportional)
    with pytest.raises(UserError, match="resize 8"):
        Resized(squares, 8)
    options = tiny(tmp_path, "datasets:test:resize=48")
    assert build_source(options.datasets.test, "datasets.test").load(0)[0].shape == (48, 48, 3)


def test_share_of_crack_free_drawings() -> None:
    for share, expected in ((0.0, {True}), (1.0, {False}), (0.5, {True, False})):
        source = SyntheticSource(12, size=32, seed=5, crack_free=share)
        assert {bool(source.load(index)[1].any()) for index in range(12)} == expected
    assert fingerprint(source) != fingerprint(SyntheticSource(12, size=32, seed=5))
    with pytest.raises(UserError, match="crack_free is 1.5"):
        SyntheticSource(1, crack_free=1.5)
