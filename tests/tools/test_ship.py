"""From an experiment to a folder to ship: what is taken, refused and written on the card."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contracts.errors import UserError
from engine.runtime import shipped
from engine.runtime.checkpoint import load_file, save_atomic
from engine.runtime.weights_folder import read_config
from tests.helpers.errors import exit_line
from tests.helpers.runs import ROOT
from tools.ship.__main__ import main, portable, ship
from tools.ship.card import make_card
from tools.ship.card_data import read_card_data
from tools.ship.measured import false_alarms, read_measured, tables
from tools.ship.photographs import split_of
from tools.ship.terms import FOLDERS, PHRASES, RESEARCH, strictest

FIGURE = {"mean": 0.7034, "low": 0.69, "high": 0.7149, "images": 237}
MEASURED = {
    "sets": {
        "test_deepcrack": {
            "hr": {"iou": FIGURE, "dice": {"mean": 0.8, "low": 0.79, "high": 0.81, "images": 237}},
            "degraded": {"iou": {**FIGURE, "mean": 0.6, "low": None, "high": None}, "psnr": {**FIGURE, "mean": None}},
        },
        "test_cfd": {"clean": {"iou": {**FIGURE, "images": 118}}},
    },
    "false_alarms": {"images": 40, "systems": {"model": {"auto": {"25": {"photographs": {**FIGURE, "images": 40}}}}}},
}


@pytest.fixture
def weights_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def experiment(tiny_weights: Path, tmp_path: Path) -> Path:
    """An experiment with latest weights of step 1, and better ones that say step 7."""
    folder = tmp_path / "experiments" / "tiny"
    shutil.copytree(tiny_weights.parent, folder / "models")
    save_atomic({**load_file(tiny_weights), "step": 7}, folder / "models" / "best.pth")
    return folder


# -- what is written ------------------------------------------------------------------------------


def test_the_best_weights_are_shipped(experiment: Path, weights_root: Path, capsys: pytest.CaptureFixture) -> None:
    main([str(experiment), "--name", "small"])
    printed = capsys.readouterr().out
    size = (weights_root / "small" / "model.safetensors").stat().st_size / 1e6
    assert f"{weights_root / 'small'}: {size:.2f} MB, of {experiment}/models/best.pth (step 7)" in printed
    difference = float(re.search(r"probabilities differ by (\S+) at most", printed).group(1))
    assert 0 < difference < 0.01
    assert sorted(path.name for path in (weights_root / "small").iterdir()) == [
        "README.md", "config.json", "model.safetensors", "photographs.json",
    ]  # fmt: skip
    assert read_config(weights_root / "small")["step"] == 7
    (experiment / "models" / "best.pth").unlink()
    main([str(experiment), "--name", "latest"])
    assert read_config(weights_root / "latest")["step"] == 1


def test_nothing_is_replaced_unasked(experiment: Path, weights_root: Path) -> None:
    folder = ship(experiment, "small")
    (folder / "README.md").write_text("by hand")
    with pytest.raises(UserError, match="small exists; give --overwrite"):
        ship(experiment, "small")
    assert (folder / "README.md").read_text() == "by hand"
    ship(experiment, "small", overwrite=True)
    assert (folder / "README.md").read_text().startswith("---\n") and [*weights_root.iterdir()] == [folder]


def changed(experiment: Path, factor: float) -> None:
    path = experiment / "models" / "best.pth"
    content = load_file(path)
    last = [name for name in content["model"] if name.startswith("seg.head")]
    assert last
    for name in last:
        content["model"][name] = content["model"][name] * factor
    save_atomic(content, path)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (3e4, r"in float16 probabilities differ by .*, over 0.03; nothing was"),
        (float("nan"), "'seg.head.* is not finite"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_weights_that_rounding_spoils_are_not_shipped(
    factor: float, message: str, overwrite: bool, experiment: Path, weights_root: Path
) -> None:
    if overwrite:
        ship(experiment, "small")
    before = {path: path.read_bytes() for path in weights_root.rglob("*") if path.is_file()}
    changed(experiment, factor)
    with pytest.raises(UserError, match=message):
        ship(experiment, "small", overwrite=overwrite)
    assert {path: path.read_bytes() for path in weights_root.rglob("*") if path.is_file()} == before
    assert len([*weights_root.iterdir()] if weights_root.is_dir() else []) == (1 if overwrite else 0)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a.b"])
def test_names_that_are_none(name: str, experiment: Path, weights_root: Path) -> None:
    with pytest.raises(UserError, match="it names a folder"):
        ship(experiment, name)


def test_options_are_for_other_machines(tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = load_file(tiny_weights)["options"]
    options["wandb"].update(entity="somebody", mode="online")
    options["path"]["experiments_root"] = "/home/somebody/runs"
    lists = [str(tmp_path / "data" / "a.txt"), "b.txt"]
    options["datasets"]["test"] = {"type": "folder", "root": str(tmp_path / "data"), "lists": lists}
    shipped_options = portable(options, "x")
    assert "somebody" not in json.dumps(shipped_options) and str(tmp_path) not in json.dumps(shipped_options)
    assert shipped_options["datasets"]["test"]["root"] == "data"
    assert shipped_options["datasets"]["test"]["lists"] == [os.path.join("data", "a.txt"), "b.txt"]
    assert shipped_options["network_seg"] == options["network_seg"] and shipped_options["train"] == options["train"]


# -- the card -------------------------------------------------------------------------------------


def test_a_card_tells_the_recipe(tiny_weights: Path) -> None:
    content = load_file(tiny_weights)
    content["options"] = {**content["options"], "name": "joint"}
    card = make_card("compact", content, "3.13 million numbers")
    meta = content["meta"]
    for message in ("options/joint.yml", "Steps: 1, of 1", meta["data"], str(meta["git"] or "not known"), "float32",
                 "6 trained on, 2 chosen by", "network_sr: kbpn", "| drawn photographs | training | 6 |"):  # fmt: skip
        assert message in card, message
    assert card.count("Not measured.") == 2 and "None collected yet." in card
    assert PHRASES[RESEARCH] not in card.replace("non-commercial.", "") and "{" not in card


def test_a_card_names_the_strictest_terms(tiny_weights: Path, tmp_path: Path) -> None:
    content, root = load_file(tiny_weights), tmp_path / "data"
    (root / "splits").mkdir(parents=True)
    (root / "splits" / "train.txt").write_text("# a\nSUT/1\nSUT/2\nDeepCrack/train_7\n\nfound/x\n")
    train = {"type": "folder", "root": str(root), "lists": [str(root / "splits" / "train.txt")]}
    content["options"]["datasets"].update(train=train, val={**train, "lists": "gone.txt"})
    card = make_card("compact", content, "x")
    assert f"**Use of these weights: {PHRASES[RESEARCH]} (because of DeepCrack, found).**" in card
    assert "license_name: research-non-commercial" in card
    assert "| SUT | training | 2 | CC BY 4.0 |" in card
    assert "| found | training | 1 | not known to this project |" in card
    digest = hashlib.sha256((root / "splits" / "train.txt").read_bytes()).hexdigest()
    assert f"`train.txt`, SHA-256 {digest[:16]}" in card and "`gone.txt`, SHA-256 not known" in card
    assert "Not counted, as they were not at hand: gone.txt" in card


def test_terms_and_folders() -> None:
    assert strictest(["drawn photographs"]) == "not restricted by the photographs"
    assert strictest(["SUT", "drawn photographs"]).endswith("(because of SUT)")
    assert strictest(["SUT", "UAV75", "Masonry"]) == "under the GPL-3.0 (because of Masonry, UAV75)"
    assert strictest(["CRACK500", "SUT"]).startswith(PHRASES[RESEARCH])
    assert strictest([]).startswith(PHRASES[RESEARCH])  # nothing known of them
    assert split_of(None).folders == {} and split_of({"type": "folder", "root": "a/CFD"}).folders == {"CFD": None}


def test_the_terms_are_those_of_the_photographs_at_hand(shared: Path) -> None:
    text = (shared / "data" / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    known = {name: licence for name, licence in table if name in FOLDERS}
    assert len(known) == len(FOLDERS) - 1  # all but the drawn ones
    for name, licence in known.items():
        assert FOLDERS[name].level == RESEARCH or licence.split()[0].rstrip(",") in FOLDERS[name].licence, name
        if "non" in licence:
            assert FOLDERS[name].level == RESEARCH, name


def test_measured_figures_are_shown_with_their_intervals(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(MEASURED))
    content = read_measured(path)
    assert tables(content).splitlines() == [
        "| `test_deepcrack`, 237 photographs | Dice | IoU | PSNR |", "|---|---|---|---|",
        "| hr | 0.800 (0.790 to 0.810) | 0.703 (0.690 to 0.715) | - |", "| degraded | - | 0.600 | - |", "",
        "| `test_cfd`, 118 photographs | IoU |", "|---|---|", "| clean | 0.703 (0.690 to 0.715) |",
    ]  # fmt: skip
    assert "| systems, model, auto, 25, photographs | 0.703 (0.690 to 0.715) | 40 |" in false_alarms(content)
    assert false_alarms({"sets": {}}) == tables(None) == "Not measured."


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sets": 3}', '{"sets": {"a": {"hr": {"iou": 0.5}}}}',
                                  '{"sets": {"a": {"hr": {"iou": {"mean": "x", "low": 1, "high": 2}}}}}',
                                  '{"sets": {}, "false_alarms": 3}'])  # fmt: skip
def test_results_of_another_kind(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(UserError, match="results.json holds no results with intervals"):
        read_measured(tmp_path / "results.json")


def test_failures_are_shown_with_their_pictures(experiment: Path, weights_root: Path, tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "joint.png")
    (tmp_path / "card.yml").write_text(
        "summary: Small and quick.\nlimits: [Not for tunnels.]\nintended_use: [Drone photographs.]\n"
        "failures:\n  - {text: A joint is taken for a crack., picture: joint.png}\n  - {text: Moss hides it.}\n"
    )
    (tmp_path / "results.json").write_text(json.dumps(MEASURED))
    command = ["--card-data", str(tmp_path / "card.yml"), "--results", str(tmp_path / "results.json")]
    main([str(experiment), "--name", "small", *command])
    card = (weights_root / "small" / "README.md").read_text()
    assert "A joint is taken for a crack.\n\n![joint](pictures/joint.png)\n\nMoss hides it." in card
    assert (weights_root / "small" / "pictures" / "joint.png").read_bytes() == (tmp_path / "joint.png").read_bytes()
    for message in (" Small and quick.", "- Not for tunnels.", "- Drone photographs.", "0.703 (0.690 to 0.715)"):
        assert message in card
    assert "Not measured" not in card


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "give entries such as"),
        ("limit: [a]", r"unknown entry 'limit' \(did you mean 'limits'\?\)"),
        ("limits: a", "limits has to be a list of texts"),
        ("summary: [a]", "summary has to be text"),
        ("failures: [a]", "failures has to be a list of entries"),
        ("failures: [{picture: a.png}]", "a failure needs its text"),
        ("failures: [{text: a, image: a.png}]", "a failure needs its text"),
        ("failures: [{text: a, picture: absent.png}]", "no such file"),
        ("failures: [{text: a, picture: large.png}]", "over 300000; give a smaller picture"),
        ("failures: [{text: a, picture: s.png}, {text: b, picture: in/s.png}]", "two pictures are called s.png"),
        ("{", "not valid YAML"),
    ],
)
def test_card_data_of_another_kind(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, side in (("large.png", 400), ("s.png", 9), ("in/s.png", 9)):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "card.yml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_card_data(tmp_path / "card.yml")


def test_mistakes_come_before_any_work(
    experiment: Path, weights_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for arguments, message in (
        ([experiment, "--name", "a", "--results", tmp_path / "absent.json"], "absent.json does not exist"),
        ([experiment, "--name", "a", "--card-data", tmp_path / "absent.yml"], "absent.yml does not exist"),
        ([tmp_path / "absent", "--name", "a"], "weights"),
        ([tmp_path, "--name", "a"], "no weights in"),
    ):
        assert message in exit_line(lambda words=arguments: main([*map(str, words)]), capsys)
    assert not weights_root.exists()


def test_the_examples_of_the_help_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    module = runpy.run_path(str(ROOT / "tools" / "ship" / "__main__.py"))
    lines = re.findall(r"^  python -m tools\.ship (.*)$", module["EXPLANATION"], re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        assert module["parse"](line.split()).name == "compact"


def test_a_shipped_model_can_be_shipped_again(tiny_folder: Path, weights_root: Path) -> None:
    """With another card, say: nothing is lost a second time."""
    folder = ship(tiny_folder / "model.safetensors", "again")
    first, again = load_file(tiny_folder), load_file(folder)
    assert all(torch.equal(value, again["model"][name]) for name, value in first["model"].items())
    assert first["meta"] == again["meta"]
