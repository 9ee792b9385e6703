"""Evaluations and predictions in bfloat16: close to those in float32, told, and never mixed with them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from engine.build.checkpoint import find_checkpoint
from engine.build.data import build_source
from engine.evaluate.build import build_evaluator
from engine.evaluate.evaluation import EvaluatedImage
from engine.evaluate.settings import EvaluationSettings
from engine.predict.resume import stamp_of, stamped
from engine.predict.tiled_model import TiledModel
from engine.runtime.precision import FLOAT32, Precision
from tests.helpers.folders import contents, write_photographs
from tests.helpers.processes import TORCHRUN, finish, start
from tests.helpers.run_records import hardware, load
from tests.helpers.runs import ROOT, Outcome, assert_error, run_here, run_well

CPU, BFLOAT16 = torch.device("cpu"), Precision(torch.bfloat16, "for a test")
PRECISIONS = ("float32", "bfloat16")
# Logits that differ by a tenth of their spread, the limit of each network's own test in half precision, fall on other
# sides of the median in atan(0.1) / pi = 3.2% of the pixels; of two halves of an image the IoU is then 0.938.
LEAST_IOU = 0.93


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


# -- evaluation -----------------------------------------------------------------------------------


def predictions(weights: Path, chosen: Precision) -> list[EvaluatedImage]:
    checkpoint = find_checkpoint(weights=str(weights))
    options = checkpoint.options
    source = build_source(options.datasets.test, "datasets.test")
    evaluator = build_evaluator(options, source, CPU, ["hr", "clean", "degraded"], EvaluationSettings(precision=chosen))
    return list(evaluator.predict(checkpoint.model()))


def test_predictions_of_an_evaluation_are_float32_and_agree(tiny_weights: Path) -> None:
    full, half = predictions(tiny_weights, FLOAT32), predictions(tiny_weights, BFLOAT16)
    assert len(full) == 6
    for exact, found in zip(full, half, strict=True):
        arrays = [found.prob, found.logits, found.hr, *(() if found.sr is None else (found.sr, found.lr, found.kernel))]
        assert {one.dtype for one in arrays} == {np.dtype(np.float32)}
        assert not np.array_equal(exact.prob, found.prob)
        median = np.median(exact.logits)
        assert iou(exact.logits >= median, found.logits >= median) > LEAST_IOU, (found.condition, found.name)
        if found.sr is not None:
            assert np.array_equal(exact.lr, found.lr)  # what is made of the photograph is no matter of the networks
            assert 0 < np.abs(exact.sr - found.sr).max() < 0.02


def evaluated(weights: Path, work: Path, *changes: str) -> tuple[Outcome, dict]:
    more = ("--force_yml", *changes) if changes else ()
    outcome = run_well("evaluate.py", "--degraded", "--weights", weights, "--out", work / "out", *more, cwd=work)
    return outcome, json.loads((work / "out" / "results.json").read_text())


def test_results_tell_their_precision_and_are_close(tiny_weights: Path, tmp_path: Path) -> None:
    results = {}
    for name in PRECISIONS:
        outcome, results[name] = evaluated(tiny_weights, tmp_path, f"evaluation:precision={name}")
        assert f" on cpu in {name} (as asked" in outcome.out
        assert results[name]["meta"]["test_precision"] == name and results[name]["meta"]["precision"] == "float32"
    full, half = (results[name]["degraded"] for name in PRECISIONS)
    assert full != half and full.keys() == half.keys()
    assert half["psnr"] == pytest.approx(full["psnr"], abs=0.02) and half["aiu"] == pytest.approx(full["aiu"], abs=0.02)
    assert results["float32"]["classical"] == results["bfloat16"]["classical"]


@pytest.mark.parametrize("native", [True, False])
def test_an_evaluation_follows_the_hardware(
    native: bool, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware(monkeypatch, native)
    _, results = evaluated(tiny_weights, tmp_path, "evaluation:precision=auto")
    assert results["meta"]["test_precision"] == ("bfloat16" if native else "float32")


UNLIKE = """\
import os, runpy, sys
from engine.runtime import precision
precision.cpu_multiplies = lambda: os.environ["RANK"] == "0"
precision.onednn_multiplies = lambda: True
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_unlike_machines_evaluate_in_one_precision(tiny_weights: Path, tmp_path: Path) -> None:
    """A process that would choose for itself would mix two into the same table."""
    (tmp_path / "unlike.py").write_text(UNLIKE)
    asked = ["--degraded", "--weights", tiny_weights, "--out", "two", "--force_yml", "evaluation:precision=auto"]
    with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):
        outcome = finish(start(*TORCHRUN, "unlike.py", ROOT / "evaluate.py", *asked, cwd=tmp_path))
    assert outcome.code == 0, outcome.err
    two = json.loads((tmp_path / "two" / "results.json").read_text())
    _, one = evaluated(tiny_weights, tmp_path, "evaluation:precision=bfloat16")
    assert two["meta"]["test_precision"] == "bfloat16" and two["degraded"] == one["degraded"]


# -- prediction -----------------------------------------------------------------------------------


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder with a photograph of four tiles in mine/images."""
    write_photographs(tmp_path / "mine", {"a": (40, 48)})
    return tmp_path


def predict(work: Path, weights: Path, *more: object) -> Outcome:
    return run_here("predict.py", "mine/images", "--weights", weights, "--tile", 32, "--overlap", 8, *more, cwd=work)


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file)).astype(int)


@pytest.mark.parametrize("restore", ["always", "never"])
def test_masks_in_both_precisions_agree(restore: str, work: Path, tiny_weights: Path) -> None:
    assert predict(work, tiny_weights, "--restore", restore, "--precision", "float32", "-o", "first").code == 0
    median = float(np.median(pixels(work / "first" / "a_probability.png"))) / 255
    for name in PRECISIONS:
        outcome = predict(
            work, tiny_weights, "--restore", restore, "--threshold", median, "--precision", name, "-o", name
        )
        assert outcome.code == 0 and f" on cpu in {name} (as asked" in outcome.out
        stamp = stamp_of(work / name / "a_mask.png")
        assert stamp["--precision"] == name and stamp["device"] == "cpu"
    full, half = (work / name for name in PRECISIONS)
    assert iou(pixels(full / "a_mask.png") > 0, pixels(half / "a_mask.png") > 0) > LEAST_IOU
    if restore == "always":
        difference = np.abs(pixels(full / "a_restored.png") - pixels(half / "a_restored.png"))
        assert 0 < difference.max() <= 0.02 * 255


def test_tiles_are_float32_and_those_of_bfloat16(tiny_weights: Path) -> None:
    """A photograph of one tile gives what the model gives under autocast."""
    model, photo = find_checkpoint(weights=str(tiny_weights)).model(), torch.rand(1, 3, 24, 32)
    maps, kernel = (tiled := TiledModel(model, CPU, 64, precision=BFLOAT16)).restore(photo)
    image = maps.image
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        whole = model(photo)
    assert {image.dtype, kernel.dtype, tiled.segment(maps, kernel).dtype} == {torch.float32}
    torch.testing.assert_close(image, whole.sr, rtol=0, atol=1e-6)
    assert not torch.equal(TiledModel(model, CPU, 64).restore(photo)[0].image, image)


def asking(weights: Path, work: Path, precision: str) -> Path:
    """The same weights with options that ask for another precision of evaluations."""
    content, file = load(weights), work / f"{precision}.pth"
    content["options"]["evaluation"]["precision"] = precision
    torch.save(content, file)
    return file


@pytest.mark.parametrize("asked", PRECISIONS)
def test_predictions_follow_the_options_unless_told(
    asked: str, work: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hardware would have it otherwise; some networks must not be rounded, wherever they run."""
    other = PRECISIONS[asked == "float32"]
    hardware(monkeypatch, native=asked == "float32")
    weights = asking(tiny_weights, work, asked)
    for name, more in ((asked, ()), (other, ("--precision", other))):
        assert f" on cpu in {name} (as asked" in predict(work, weights, *more, "-o", name).out
        assert stamp_of(work / name / "a_mask.png")["--precision"] == name


@pytest.mark.parametrize("native", [True, False])
def test_a_batch_is_not_resumed_in_another_precision(
    native: bool, work: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun under "auto" on one machine, gone on with on another."""
    here, there = ("bfloat16", "float32") if native else ("float32", "bfloat16")
    weights = asking(tiny_weights, work, "auto")
    hardware(monkeypatch, native)
    assert predict(work, weights, "-o", "out").code == 0
    hardware(monkeypatch, not native)
    before = contents(work)
    refused = predict(work, weights, "-o", "out", "--resume")
    assert_error(refused, "--resume: out/a_", f"with --precision {here}, not {there}", "--overwrite")
    assert contents(work) == before
    asked = predict(work, weights, "-o", "out", "--resume", "--precision", here)
    assert asked.out.startswith("all 1 photographs were done before")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "cuda"}, "with device cuda, not cpu"),
        ({"device": None}, "by another version, which does not tell its device"),
        ({"--precision": None}, "by another version, which does not tell its precision"),
    ],
)
def test_what_another_device_or_version_made_is_not_mixed_in(
    change: dict, message: str, work: Path, tiny_weights: Path
) -> None:
    assert predict(work, tiny_weights, "-o", "out").code == 0
    file = work / "out" / "a_mask.png"
    stamp = {
        key: value for key, value in {**stamp_of(file), **change}.items() if key not in change or value is not None
    }
    Image.open(file).save(file)  # without its stamp
    file.write_bytes(stamped(file.read_bytes(), stamp))
    assert_error(predict(work, tiny_weights, "-o", "out", "--resume"), "out/a_mask.png was made", message)


def test_an_exported_model_is_not_asked_for_bfloat16(work: Path) -> None:
    outcome = predict(work, work / "model.onnx", "--precision", "bfloat16")
    assert_error(outcome, "--precision bfloat16", "onnxruntime knows float32 alone", "--runtime openvino")
    outcome = run_here("predict.py", "--export", "onnx", "--precision", "bfloat16", cwd=work)
    assert_error(outcome, "--precision bfloat16", "exported in float32", "leave --precision out")
