"""Weights as a folder, when nothing is named: which are taken, and on which photographs they are tested."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.build.checkpoint import find_checkpoint
from engine.evaluate import stand_in
from engine.evaluate.stand_in import with_test_set
from engine.options.load import change_options
from engine.runtime import shipped
from engine.runtime.checkpoint import load_file
from engine.runtime.shipped import default_weights, resolve
from engine.runtime.weights_folder import made_at, read_config
from models.whole import count_parameters
from tests.helpers.folders import change_config
from tests.helpers.photographs import save as save_photograph
from tests.helpers.runs import ROOT, assert_error, run_here

# -- by default -----------------------------------------------------------------------------------


def own_run(work: Path, seconds: float, folder: Path) -> Path:
    """Weights of one's own whose file is so many seconds younger than the shipped weights are."""
    path = work / "experiments" / "mine" / "models" / "latest.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    time = made_at(folder, read_config(folder)["made"]) + seconds
    os.utime(path, (time, time))
    return path


@pytest.mark.parametrize(("seconds", "taken"), [(None, "shipped"), (-1, "shipped"), (1, "own")])
def test_a_run_of_ones_own_is_taken_where_it_is_newer(
    seconds: float | None, taken: str, shipped_weights: Path, tmp_path: Path
) -> None:
    own = None if seconds is None else own_run(tmp_path, seconds, shipped_weights)
    found = default_weights(tmp_path / "experiments")
    assert found == (shipped_weights if taken == "shipped" else own)


def test_neither_shipped_nor_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path / "weights")
    outcome = run_here("predict.py", save_photograph(tmp_path, "a.png"), cwd=tmp_path)
    assert_error(outcome, "no trained weights below experiments/, and none shipped", "train_joint.py", "--weights FILE")
    outcome = run_here("predict.py", "a.png", "--weights", "compact", cwd=tmp_path)
    assert_error(outcome, "weights compact do not exist")


def test_names_of_shipped_weights(shipped_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("compact") == shipped_weights
    assert resolve("./other") == Path("other") and resolve("other/compact") == Path("other/compact")
    monkeypatch.chdir(shipped_weights.parent.parent)
    assert resolve("compact") == Path("weights/compact") == default_weights(tmp_path)


def test_a_fresh_clone(shipped_weights: Path, tmp_path: Path) -> None:
    outcome = run_here("predict.py", save_photograph(tmp_path, "a.png"), cwd=tmp_path)
    made = read_config(shipped_weights)["made"][:10]
    assert outcome.code == 0 and f"{shipped_weights} (shipped, made {made}, step 1), on cpu" in outcome.out, outcome
    outcome = run_here("evaluate.py", "--degraded", cwd=tmp_path)
    assert outcome.code == 0 and f"evaluating {shipped_weights} (shipped, made {made}, step 1)" in outcome.out
    assert "datasets.test: 2 photographs" in outcome.out and "instead" not in outcome.out
    assert json.loads((tmp_path / "results/compact/results.json").read_text())["meta"]["test_images"] == 2


# -- their test set -------------------------------------------------------------------------------

ABSENT = ["{type: folder, root: absent}", "{type: folder, root: here, lists: absent.txt}", "{count: 2, frozen: absent}"]


@pytest.mark.parametrize("test", [*ABSENT, "null"])
def test_photographs_that_a_stranger_lacks(
    test: str, shipped_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    saved = load_file(shipped_weights)["options"]
    options = change_options(saved, [f"datasets:test={test}"], "x")
    changed, note = with_test_set(options, shipped_weights)
    assert note is not None and "drawn test set of options/joint.yml instead" in note
    assert ("absent" in note) == (test != "null") and "\n" not in note
    drawn = changed.datasets.test
    assert (drawn.type, drawn.count, drawn.seed, drawn.size) == ("synthetic", 40, 3, 448)
    assert changed.model_copy(update={"datasets": options.datasets}) == options
    own = tmp_path / "mine.pth"
    for weights, changes in ((shipped_weights, [f"datasets:test={test}"]), (own, [])):
        assert with_test_set(options, weights, changes) == (options, None)


def test_an_evaluation_with_a_stand_in_says_so(
    shipped_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "STAND_IN", Path("tests") / "tiny.yml")
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path / "weights")
    folder = Path(shutil.copytree(shipped_weights, tmp_path / "weights" / "compact"))
    lost = {"type": "folder", "root": "absent", "lists": ["a.txt"]}
    change_config(folder, lambda config: config["options"]["datasets"].update(test=lost))
    outcome = run_here("evaluate.py", "--degraded", cwd=tmp_path)
    assert outcome.code == 0 and "datasets.test: absent, which" in outcome.out and "instead" in outcome.out, outcome
    named = ["--force_yml", "datasets:test:root=absent", "datasets:test:lists=null"]
    assert_error(run_here("evaluate.py", "--degraded", *named, cwd=tmp_path), "datasets.test", "absent")


# -- what the project ships -----------------------------------------------------------------------

REAL = sorted(path.parent for path in (ROOT / "weights").glob("*/config.json"))
LARGEST = {"compact": 8e6, "base": 40e6}  # bytes


@pytest.mark.parametrize("folder", REAL, ids=lambda folder: folder.name)
def test_what_is_shipped_can_be_used(folder: Path) -> None:
    checkpoint = find_checkpoint(weights=str(folder))
    model = checkpoint.model()
    stored = (folder / "model.safetensors").stat().st_size
    assert stored <= LARGEST.get(folder.name, 40e6) and stored < 2.2 * count_parameters(model) + 1e5
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "## Data and licences" in card and all((folder / name).is_file() for name in _pictures(card))
    assert checkpoint.meta["photographs"]["train"]


def _pictures(card: str) -> list[str]:
    return [part.split(")")[0] for part in card.split("](")[1:] if part.startswith("pictures/")]
