"""Evaluation from the command line: it finds its weights, and what it leaves behind adds up."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from engine.build.checkpoint import find_checkpoint
from engine.evaluate.run import evaluate
from engine.options.load import force, parse_options
from metrics.counts_file import read_counts
from metrics.names import CONFUSION
from tests.helpers.folders import write_photographs
from tests.helpers.runs import TINY, TRAIN, Outcome, assert_error, run_here, run_well

NOT_MEANS = {"iou_max_threshold", "hd95_min", "images", "cliou"}  # nor are figures that no single image has


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the experiment "tiny", trained for three steps."""
    folder = tmp_path_factory.mktemp("trained")
    run_well(*TRAIN, "train:total_iter=3", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def evaluated(trained: Path) -> Outcome:
    """What ``python evaluate.py --degraded``, and nothing else, says in that folder."""
    return run_well("evaluate.py", "--degraded", cwd=trained)


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Path:
    """A fresh working folder that holds only the trained weights."""
    (tmp_path / "experiments" / "tiny" / "models").mkdir(parents=True)
    shutil.copy(weights(trained), weights(tmp_path))
    return tmp_path


def weights(folder: Path) -> Path:
    return folder / "experiments" / "tiny" / "models" / "latest.pth"


def results_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def run(work: Path, *arguments: object) -> dict:
    """Evaluate into ``place``/out; return the results."""
    run_well("evaluate.py", *arguments, "--out", work / "out", cwd=work)
    return results_of(work / "out")


# -- a default run --------------------------------------------------------------------------------


def test_it_finds_its_weights_and_prints_a_table(trained: Path, evaluated: Outcome) -> None:
    assert "experiments/tiny/models/latest.pth (step 3)" in evaluated.out
    for row in ("input", "clean", "degraded", "classical clean", "classical degraded"):
        assert any(line.startswith(row + " ") for line in evaluated.out.splitlines()), row
    assert (trained / "experiments" / "tiny" / "results" / "results.json").is_file()


def test_results_have_the_documented_form(trained: Path, evaluated: Outcome) -> None:
    results = results_of(trained / "experiments" / "tiny" / "results")
    assert list(results) == ["clean", "degraded", "classical", "meta"]
    assert list(results["classical"]) == ["clean", "degraded"]
    expected = {"dice", "iou", "precision", "recall", "iou_max", "aiu", "hd95", "hd95_min", "ahd95", "cliou"} | {
        "cliou_predicted",
        "cldice",
        "nsd",
        "miou",
        "iou_pooled",
        "ods",
        "ods_2px",
        "ois",
        "ap",
        "ece",
        "empty_masks",
    }
    for figures in (results["clean"], results["degraded"], *results["classical"].values()):
        assert expected <= set(figures)
        assert all(isinstance(value, float) and math.isfinite(value) for value in figures.values())
        assert figures["images"] == 2
    assert {"psnr", "ssim", "psnr_y", "ssim_y", "kernel_psnr", "kernel_ssim"} <= set(results["degraded"])
    assert "psnr" not in results["classical"]["degraded"]
    meta = {"weights", "step", "name", "git", "data", "test_data", "test_images", "degradation_seed", "compat"}
    assert meta <= set(results["meta"])


def test_one_row_for_each_image_condition_and_system(trained: Path, evaluated: Outcome) -> None:
    rows = rows_of(trained / "experiments" / "tiny" / "results")
    keys = {(row["system"], row["condition"], row["name"]) for row in rows}
    assert len(rows) == len(keys) == 2 * 2 * 2
    assert {key[0] for key in keys} == {"model", "classical"} and {key[1] for key in keys} == {"clean", "degraded"}


def test_figures_are_the_means_of_the_rows(trained: Path, evaluated: Outcome) -> None:
    folder = trained / "experiments" / "tiny" / "results"
    results, rows = results_of(folder), rows_of(folder)
    for system, group in (("model", results), ("classical", results["classical"])):
        for condition in ("clean", "degraded"):
            chosen = [row for row in rows if (row["system"], row["condition"]) == (system, condition)]
            for name, figure in group[condition].items():
                if name in NOT_MEANS or name not in chosen[0]:
                    continue
                values = [float(row[name]) for row in chosen if row[name] != ""]
                expected = sum(values) if name in ("hd95_outliers", *CONFUSION) else np.mean(values)
                assert figure == pytest.approx(expected, abs=1e-9), (system, condition, name)


def test_pooled_figures_follow_from_the_counts_and_no_others(trained: Path, evaluated: Outcome) -> None:
    folder = trained / "experiments" / "tiny" / "results"
    results, saved = results_of(folder), read_counts(folder)
    assert list(saved.counts) == [(s, c) for s in ("model", "classical") for c in ("clean", "degraded")]
    assert list(saved.names) == [row["name"] for row in rows_of(folder)[:2]]
    for (system, condition), counts in saved.counts.items():
        figures = results[condition] if system == "model" else results[system][condition]
        hit, false, missed = (
            part.sum(axis=0) for part in (counts.true_positive, counts.false_positive, counts.false_negative)
        )
        assert figures["iou_pooled"] == pytest.approx((hit / (hit + false + missed))[49])
        assert figures["ods"] == pytest.approx((2 * hit / (2 * hit + false + missed)).max())
        assert sum(figures[name] for name in CONFUSION) == counts.pixels.sum()


def test_a_threshold_is_chosen_on_validation_photographs(work: Path) -> None:
    """What is best for the validation set, evaluated by itself, is what the test is scored at."""
    on_val = ["evaluation:threshold=validation", "evaluation:panels=0"]
    done = run_well("evaluate.py", "--degraded", "--out", work / "on_val", "--force_yml", *on_val, cwd=work)
    itself = ["datasets:test={count: 2, size: 64}", "evaluation:panels=0"]
    run_well("evaluate.py", "--degraded", "--out", work / "val_itself", "--force_yml", *itself, cwd=work)
    results, best = results_of(work / "on_val"), results_of(work / "val_itself")
    thresholds = {condition: best[condition]["iou_max_threshold"] for condition in ("clean", "degraded")}
    assert results["meta"]["thresholds"] == thresholds
    assert "thresholds chosen on 2 validation photographs: clean" in done.out
    counts = read_counts(work / "on_val").counts["model", "degraded"]
    at = round(100 * thresholds["degraded"]) - 1
    union = counts.true_positive + counts.false_positive + counts.false_negative
    iou = ((counts.true_positive + 1e-5) / (union + 1e-5))[:, at]
    assert results["degraded"]["iou_at_threshold"] == pytest.approx(iou.mean())
    none = run_here("evaluate.py", "--force_yml", *on_val, "datasets:val=null", cwd=work)
    assert_error(none, "evaluation.threshold", "datasets.val")


def test_a_threshold_chosen_elsewhere_has_figures_of_its_own(work: Path) -> None:
    done = run_well(
        "evaluate.py", "--degraded", "--out", work / "out", "--force_yml", "evaluation:threshold=0.37", cwd=work
    )
    results, counts = results_of(work / "out"), read_counts(work / "out").counts["model", "degraded"]
    assert results["meta"]["threshold"] == 0.37 and "at threshold 0.37:" in done.out
    figures = results["degraded"]
    hit = counts.true_positive[:, 36]
    dice = 2 * hit / (2 * hit + counts.false_positive[:, 36] + counts.false_negative[:, 36])
    assert figures["dice_at_threshold"] == pytest.approx(np.mean(dice))
    assert {"hd95_at_threshold", "cliou_at_threshold", "f_2px_at_threshold"} <= set(figures)
    rows = [row for row in rows_of(work / "out") if (row["system"], row["condition"]) == ("model", "degraded")]
    assert [float(row["dice_at_threshold"]) for row in rows] == pytest.approx(dice)
    message = run_here("evaluate.py", "--force_yml", "evaluation:threshold=best", cwd=work)
    assert_error(message, "evaluation.threshold")
    message = run_here("evaluate.py", "--force_yml", "evaluation:threshold=0.375", cwd=work)
    assert_error(message, "evaluation.threshold", "0.01, 0.02")


def test_pictures_show_something(trained: Path, evaluated: Outcome) -> None:
    folder = trained / "experiments" / "tiny" / "results"
    curves = [f"curves/{name}" for name in ("iou_over_threshold", "precision_recall", "confusion", "scores")]
    names = [*curves, "clean/panel_0", "degraded/panel_0"]
    assert sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.png")) == sorted(f"{n}.png" for n in names)
    for name in names:
        picture = np.asarray(Image.open(folder / f"{name}.png"))
        assert picture.ndim == 3 and min(picture.shape[:2]) >= 64 and picture.std() > 10, name


def test_the_same_figures_are_tracked(trained: Path, evaluated: Outcome) -> None:
    folder = trained / "experiments" / "tiny" / "results"
    (entry,) = map(json.loads, (folder / "tracking" / "metrics.jsonl").read_text().splitlines())
    results = results_of(folder)
    assert entry["step"] == 3
    assert entry["test/degraded/dice"] == results["degraded"]["dice"]
    assert entry["test/classical/clean/aiu"] == results["classical"]["clean"]["aiu"]


# -- what can be chosen ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "conditions"),
    [
        (["--clean"], ["clean"]),
        (["--hr"], ["hr"]),
        (["--hr", "--clean"], ["hr", "clean"]),
        ([], ["hr", "clean", "degraded"]),
    ],
)
def test_flags_choose_the_conditions(work: Path, flags: list[str], conditions: list[str]) -> None:
    results = run(work, *flags)
    assert [name for name in results if name not in ("classical", "meta")] == conditions
    assert {row["condition"] for row in rows_of(work / "out")} == set(conditions)
    assert not (work / "experiments" / "tiny" / "results").exists()


def test_options_file_and_weights_can_be_named(work: Path) -> None:
    moved = shutil.move(weights(work), work / "mine.pth")
    change = ["--force_yml", "datasets:test:count=1"]
    results = run(work, "-opt", TINY, "--weights", moved, "--clean", *change)
    assert results["meta"]["test_images"] == 1 and results["meta"]["weights"] == str(work / "mine.pth")


def test_photographs_of_any_size(work: Path) -> None:
    sizes = {"odd": (71, 62), "small": (33, 90)}
    root = write_photographs(work / "photographs", sizes)
    results = run(work, "--force_yml", f"datasets:test={{type: folder, root: {root}}}")
    assert results["degraded"]["images"] == 2
    names = [row["name"] for row in rows_of(work / "out") if row["system"] == "model"]
    assert sorted(names) == ["odd"] * 3 + ["small"] * 3


def test_evaluating_twice_gives_the_same_and_keeps_the_first(work: Path) -> None:
    first = run(work, "--degraded")
    outcome = run_here("evaluate.py", "--degraded", "--out", work / "out", cwd=work)
    (archived,) = work.glob("out_archived_*")
    assert archived.name in outcome.out
    assert results_of(archived) == first
    second = results_of(work / "out")
    assert [second[key] for key in ("clean", "degraded", "classical")] == [first[key] for key in list(first)[:3]]


def test_reference_rules_of_the_distances(work: Path) -> None:
    root = write_photographs(work / "empty", {"a": (64, 96)}, crack=False)
    changes = [f"datasets:test={{type: folder, root: {root}}}", "evaluation:classical=false"]
    ours = run(work, "--clean", "--force_yml", *changes)["clean"]
    theirs = run(work, "--clean", "--force_yml", *changes, "compat=reference")["clean"]
    assert (ours["hd95_outliers"], theirs["hd95_outliers"]) == (1, 1)
    assert (ours["hd95"], theirs["hd95"]) == pytest.approx((math.hypot(64, 96), 96))
    halves = [
        run(work, "--hr", "--force_yml", f"corrections:hd_percentile_95={value}", "evaluation:classical=false")["hr"]
        for value in ("true", "false")
    ]
    assert halves[1]["hd95"] < halves[0]["hd95"]
    assert halves[1]["dice"] == halves[0]["dice"]


def test_all_crack_is_as_precise_as_cracks_are_frequent(work: Path) -> None:
    root = write_photographs(work / "two", {"a": (64, 96), "b": (96, 96)})
    changes = [f"datasets:test={{type: folder, root: {root}}}", "evaluation={all_crack: true, classical: false}"]
    figures = run(work, "--hr", "--force_yml", *changes)
    masks = [np.asarray(Image.open(path).convert("L")) > 127 for path in sorted((root / "masks").iterdir())]
    assert list(figures) == ["hr", "all_crack", "meta"]
    assert figures["all_crack"]["hr"]["recall"] == 1
    assert figures["all_crack"]["hr"]["precision"] == pytest.approx(np.mean([mask.mean() for mask in masks]))


# -- where results go -----------------------------------------------------------------------------


def test_results_replace_nothing_else(work: Path) -> None:
    (work / "photographs").mkdir()
    (work / "photographs" / "a.txt").write_text("mine")
    (work / "file").write_text("mine")
    for out in ("photographs", "file", "."):
        outcome = run_here("evaluate.py", "--clean", "--out", out, cwd=work)
        assert_error(outcome, f"--out {out}", "new folder")
    assert (work / "photographs" / "a.txt").read_text() == (work / "file").read_text() == "mine"


def test_options_without_a_test_set(work: Path) -> None:
    checkpoint = find_checkpoint(str(TINY), str(weights(work)))
    tree = checkpoint.options.model_dump(mode="json")
    with pytest.raises(UserError, match="datasets.test: missing"):
        options = parse_options(force(tree, ["datasets:test=null"]), "here")
        evaluate(replace(checkpoint, options=options), ["clean"], work / "out")
    assert not (work / "out").exists()
