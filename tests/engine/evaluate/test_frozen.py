"""Frozen test sets in an evaluation: the same figures as drawn, and no set of anything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.options.load import force, parse_options
from engine.runtime.checkpoint import load_file
from tests.helpers.folders import write_photographs
from tests.helpers.runs import assert_error, run_here
from tools.freeze import freeze

SIZES = {"a": (40, 48), "b": (40, 48)}


@pytest.fixture
def evaluate(tiny_weights: Path, tmp_path: Path) -> Callable:
    """Evaluates the photographs ``mine`` with the set ``frozen``, which it makes of them if there is none."""
    test = f"datasets:test={{type: folder, root: {tmp_path / 'mine'}, seed: 3"
    write_photographs(tmp_path / "mine", SIZES)
    freeze(parse_options(force(load_file(tiny_weights)["options"], [test + "}"]), "saved"), tmp_path / "frozen")

    def call(*changes: str, frozen: bool = True):
        more = f", frozen: {tmp_path / 'frozen'}}}" if frozen else "}"
        command = ["--weights", tiny_weights, "--degraded", "--out", "out", "--force_yml", test + more, *changes]
        return run_here("evaluate.py", *command, cwd=tmp_path)

    return call


def results(folder: Path) -> dict:
    return json.loads((folder / "out" / "results.json").read_text())


def edit(path: Path, **meta: object) -> None:
    """Change the manifest as another program might have written it: None removes an entry."""
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    manifest["meta"] = {key: value for key, value in {**manifest["meta"], **meta}.items() if value is not None}
    content = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps({**manifest, "sha256": hashlib.sha256(content).hexdigest()}))


def test_it_gives_the_same_figures(evaluate: Callable, tmp_path: Path) -> None:
    assert evaluate(frozen=False).code == 0
    drawn = results(tmp_path)
    outcome = evaluate()
    assert outcome.code == 0, outcome.err
    frozen = results(tmp_path)
    assert frozen["degraded"] == drawn["degraded"] and frozen["clean"] == drawn["clean"]
    assert frozen["meta"]["frozen"] == str(tmp_path / "frozen") and drawn["meta"]["frozen"] is None


def test_its_own_degradation_and_seed_count(evaluate: Callable, tmp_path: Path) -> None:
    """A set of another degradation is what such sets are for; the results tell the seed that it was drawn with."""
    edit(tmp_path / "frozen" / "manifest.json", seed=8)
    outcome = evaluate("degradation:preset=field")
    assert outcome.code == 0, outcome.err
    assert results(tmp_path)["meta"]["degradation_seed"] == 8


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"scale": 2}, "scale 2, not 4 as the options"),
        ({"kernel_side": 25}, "kernel_side 25, not 21 as the options"),
        ({"data": "0" * 64}, "made of other photographs"),
    ],
)
def test_other_settings_are_named(evaluate: Callable, tmp_path: Path, meta: dict, message: str) -> None:
    edit(tmp_path / "frozen" / "manifest.json", **meta)
    assert_error(evaluate(), "datasets.test.frozen", str(tmp_path / "frozen"), message)
    assert not (tmp_path / "out").exists()


def test_other_photographs_are_named(evaluate: Callable, tmp_path: Path) -> None:
    write_photographs(tmp_path / "mine", {"c": (40, 48)})
    assert_error(evaluate(), "no image 'c', which is in datasets.test")
    for kind in ("images", "masks"):
        for stem in ("b", "c"):
            (tmp_path / "mine" / kind / f"{stem}.png").unlink()
    assert_error(evaluate(), "an image 'b', which is not in datasets.test")


def test_photographs_of_the_same_names(evaluate: Callable, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "images" / "a.png"
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(path)
    assert_error(evaluate(), "datasets.test.frozen", "made of other photographs")


def test_a_set_that_does_not_tell_its_data_is_held_against_the_sizes(evaluate: Callable, tmp_path: Path) -> None:
    edit(tmp_path / "frozen" / "manifest.json", data=None)
    assert evaluate().code == 0
    write_photographs(tmp_path / "mine", {"b": (44, 48)})
    outcome = evaluate()
    assert outcome.code == 2
    assert "datasets.test.frozen: 'b' is 12x10, the photograph 48x44, not 4 times that" in outcome.err.splitlines()[-1]
