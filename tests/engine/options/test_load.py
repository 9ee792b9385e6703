"""Options files: YAML read strictly, sections inherited, --force_yml changes, errors that name the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.options.load import force, load_options, merge, parse_yaml, read_tree
from tests.helpers.errors import assert_holds, error_of
from tests.helpers.runs import changed, option_error

# -- --force_yml ----------------------------------------------------------------------------------


def test_force_reads_values_as_yaml() -> None:
    options = changed(
        "train:optimizer:lr=2e-5",
        "train:optimizer:betas=[0.5, 0.9]",
        "wandb:tags=[a, 'b c']",
        "train:stages=[{name: sr, fraction: 0.5}, {name: joint}]",
        "train:stages:1:beta=.25",
    )
    assert options.train.optimizer.lr == 2e-5
    assert options.train.optimizer.betas == [0.5, 0.9]
    assert options.wandb.tags == ["a", "b c"]
    assert [stage.name for stage in options.train.stages] == ["sr", "joint"]
    assert options.train.stages[1].beta == 0.25


def test_force_keeps_colons_and_equals_signs_of_values() -> None:
    options = changed("datasets:train={type: folder, root: 'C:/cracks=mine', augmentation: {crop: 64}}")
    assert options.datasets.train.root == "C:/cracks=mine"


def test_force_leaves_the_tree_alone_and_makes_sections() -> None:
    tree = {"train": {"stages": [{"name": "seg"}]}}
    changed_tree = force(tree, ["train:stages:0:name=joint", "loss:alpha:start=0.5"])
    assert tree == {"train": {"stages": [{"name": "seg"}]}}
    assert changed_tree["loss"] == {"alpha": {"start": 0.5}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train:total_iter", "section:key=value"),
        ("=3", "section:key=value"),
        ("name:first=3", "'name' is a value, not a section"),
        ("train:stages:3:name=sr", "'3' is no position in a list of 1"),
        ("train:stages:first:name=sr", "'first' is no position in a list of 1"),
        ("train:stages=[{name: sr", "not valid YAML"),
    ],
)
def test_force_errors_show_the_change(change: str, message: str) -> None:
    assert_holds(option_error(change), ["--force_yml", message])


@pytest.mark.parametrize(
    ("text", "value"),
    [("2e-5", 2e-5), ("1E3", 1000.0), ("-.5e2", -50.0), ("1.e1", 10.0), ("5", 5), ("e5", "e5"), ("1e", "1e")],
)
def test_numbers_follow_yaml_1_2(text: str, value: object) -> None:
    parsed = parse_yaml(text, "here")
    assert parsed == value and type(parsed) is type(value)


# -- files ----------------------------------------------------------------------------------------


def write(folder: Path, **files: str) -> None:
    for stem, text in files.items():
        (folder / f"{stem}.yml").write_text(text, encoding="utf-8")


def test_base_is_merged_section_by_section_and_a_new_type_replaces(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="a: 1\nnetwork: {type: kbpn, width: 8}\ntrain: {stages: [1, 2], lr: 3}",
        middle="base: base.yml\na: 2\ntrain: {stages: [4]}",
        same="base: middle.yml\nnetwork: {type: kbpn, stages: 1}",
        other="base: middle.yml\nnetwork: {type: edsr, blocks: 2}",
    )
    same, other = read_tree(tmp_path / "same.yml"), read_tree(tmp_path / "other.yml")
    assert same["network"] == {"type": "kbpn", "width": 8, "stages": 1}
    assert (same["a"], same["train"]) == (2, {"stages": [4], "lr": 3})
    assert other["network"] == {"type": "edsr", "blocks": 2}


def test_merge_does_not_change_its_arguments() -> None:
    base, change = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(base, change) == {"a": {"b": 1, "c": 2}}
    assert base == {"a": {"b": 1}} and change == {"a": {"c": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: 'a' twice"),
        ("a: 1\nb: {c: 1, c: 2}", "line 2: 'c' twice"),
        ("a: [1, 2", "not valid YAML"),
        ("a: 1\n\tb: 2", "line 2"),
        ("? [a, b]\n: 1", "line 1"),
        ("a: !python/object:os.system x", "not valid YAML"),
        ("- a", "found list"),
        ("", "found NoneType"),
        ("base: one.yml\na: 1", "refers back to itself"),
        ("base: none.yml", "none.yml does not exist"),
        ("1: 2", "keys should be strings"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, one=text)
    assert_holds(error_of(load_options, tmp_path / "one.yml"), [str(tmp_path), message])


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff\xfe", b"a: \x00"])
def test_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    assert str(path) in error_of(load_options, path)
