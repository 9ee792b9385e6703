"""What a run says of its photographs, and that weights are not tested on what they were trained on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.runtime.checkpoint import load_file
from tests.helpers.drawn_sets import write_set
from tests.helpers.runs import TRAIN, Outcome, assert_error, run_here, run_well

WEIGHTS = "experiments/tiny/models/latest.pth"


def train(work: Path, *changes: str) -> Outcome:
    return run_here(*TRAIN, "train:total_iter=1", *changes, cwd=work)


def evaluate(work: Path, weights: Path, test: str, *arguments: str) -> Outcome:
    quick = ["evaluation:surface_step=0", "evaluation:panels=0", "evaluation:classical=false"]
    change = [f"datasets:test={test}", *quick]
    return run_here("evaluate.py", "--clean", "--weights", weights, *arguments, "--force_yml", *change, cwd=work)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on photographs 0 to 3, validated on 3 and 4, to be read only."""
    work = tmp_path_factory.mktemp("seen")
    write_set(work / "train", numbers=range(4))
    write_set(work / "val", numbers=range(3, 5))
    outcome = train(
        work, "datasets:train={type: folder, root: train, augmentation: {crop: 32}}",
        "datasets:train:loader={batch_size: 2, workers: 0}",
        "datasets:val={type: folder, root: val}",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (work / "told.txt").write_text(outcome.out)
    return work


def test_training_tells_of_its_photographs(trained: Path) -> None:
    printed = (trained / "told.txt").read_text()
    assert "datasets.train: 4 photographs, " in printed and "validation: 2 photographs, " in printed
    assert "% crack, 0 masks empty" in printed
    assert "warning: 1 photographs to validate with are trained on too, first '003'" in printed
    digests = load_file(trained / WEIGHTS)["meta"]["photographs"]
    assert [len(digests["train"]), len(digests["val"]), len({*digests["train"], *digests["val"]})] == [4, 2, 5]


def test_photographs_trained_on_are_refused(trained: Path, tmp_path: Path) -> None:
    """Whatever they are called and kept in; how many is then noted in the results."""
    write_set(tmp_path / "mixed", numbers=range(2, 6), photo_suffix=".tif")
    refused = evaluate(tmp_path, trained / WEIGHTS, "{type: folder, root: mixed}")
    assert_error(refused, "datasets.test", "trained on 2 of these 4", "'002', '003'", "--allow-training-photographs")


def test_photographs_trained_on_but_allowed_are_counted_in_the_results(trained: Path, tmp_path: Path) -> None:
    write_set(tmp_path / "mixed", numbers=range(2, 6))
    arguments = ["--allow-training-photographs", "--out", "results"]
    outcome = evaluate(tmp_path, trained / WEIGHTS, "{type: folder, root: mixed}", *arguments)
    assert outcome.code == 0, outcome.err
    assert "datasets.test: 4 photographs" in outcome.out
    assert "warning: datasets.test: the weights were chosen by 2 of them, first '003'" in outcome.out
    meta = json.loads((tmp_path / "results/results.json").read_text())["meta"]
    assert meta["trained_on"] == 2 and "photographs" not in meta


def test_photographs_of_the_weights_begun_with_count_too(trained: Path, tmp_path: Path) -> None:
    """Trained on from other weights, or by a teacher, a network knows what those were trained on."""
    write_set(tmp_path / "train", numbers=range(4, 6))
    write_set(tmp_path / "test", numbers=range(4))
    for key in ("network_seg:weights", "train:teacher"):
        weights = [f"{key}={trained / WEIGHTS}", "loss:teacher_weight=0.5"][: 1 + (key == "train:teacher")]
        data = (
            "datasets:train={type: folder, root: train, augmentation: {crop: 32}, loader: {batch_size: 2, workers: 0}}"
        )
        outcome = train(tmp_path, data, "datasets:val=null", f"name={key.replace(':', '_')}", *weights)
        assert outcome.code == 0, outcome.err
        own = tmp_path / f"experiments/{key.replace(':', '_')}/models/latest.pth"
        assert len(load_file(own)["meta"]["photographs"]["train"]) == 2 + 4
        assert_error(evaluate(tmp_path, own, "{type: folder, root: test}"), "trained on 4 of these 4")


def test_drawn_photographs_of_the_training_seed_are_refused(tiny_weights: Path, tmp_path: Path) -> None:
    outcome = evaluate(tmp_path, tiny_weights, "{count: 3, size: 64, seed: 1}")
    assert_error(outcome, "trained on 3 of these 3", "'synthetic_1_00000'")


def test_inverted_masks_are_warned_of(tmp_path: Path, tiny_weights: Path) -> None:
    write_set(tmp_path / "mine", lambda mask, number: (1 - mask) * 255)
    change = [
        "datasets:train={type: folder, root: mine, augmentation: {crop: 32}, loader: {batch_size: 2, workers: 0}}"
    ]
    outcome = train(tmp_path, *change)
    assert outcome.code == 0 and "warning: datasets.train: over half of 6 masks" in outcome.out


def test_names_that_are_no_utf8_everywhere(tmp_path: Path, tiny_weights: Path) -> None:
    """Training, evaluation and prediction print, hash and write them."""
    root = write_set(tmp_path / "mine", numbers=range(3))
    for kind in ("images", "masks"):
        os.rename(root / kind / "000.png", os.fsencode(root / kind) + b"/stra\xdfe.png")
    outcome = evaluate(tmp_path, tiny_weights, "{type: folder, root: mine}", "--out", "out")
    assert outcome.code == 0, outcome.err
    assert "stra\\xdfe" in (tmp_path / "out/per_image.csv").read_text(encoding="utf-8")
    arguments = ["mine/images", "-o", "masks", "--weights", tiny_weights, "--rle", "all.csv"]
    run_well("predict.py", *arguments, cwd=tmp_path)
    assert "stra\\xdfe.png," in (tmp_path / "all.csv").read_text(encoding="utf-8")
