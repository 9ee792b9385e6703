"""Benchmarks at tiny sizes: every one runs, compares equal numbers and is reported. No time is asserted."""

from __future__ import annotations

import json
import math
import mmap
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import authors_step, averaging, growth, precision, scaling, table, test_set, train_step
from benchmarks.__main__ import main, parse
from benchmarks.case import largest_difference
from benchmarks.dense_kbpn import DenseKBPN
from benchmarks.joint_step import JointStep, load, ready_batch
from benchmarks.memory import MIB, peak_while
from benchmarks.registry import BENCHMARKS
from benchmarks.timing import alternate
from contracts.errors import UserError
from engine.build.losses import build_loss
from engine.build.models import build_model
from engine.train.build import build_schedule
from engine.train.step import Envelope, TrainStep
from tests.helpers.runs import ROOT, TINY


@pytest.mark.slow
def test_every_benchmark_compares_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "new" / "results.json"
    code = main(["--small", "--rounds", "1", "--out", str(file)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    results = json.loads(file.read_text())
    assert {row["name"] for row in results["rows"]} | set(results["skipped"]) == set(BENCHMARKS) and results["small"]
    assert set(results["skipped"]) <= {"surface_sweep", "onnx", "openvino"}
    assert all("pip install" in why for why in results["skipped"].values())
    for row in results["rows"]:
        assert all(math.isfinite(row[key]) and row[key] > 0 for key in ("ratio", "seconds_ours", "seconds_alternative"))
        assert min(row["peak_ours"], row["peak_alternative"]) >= 0
        assert (row["difference"] is None) == (row["limit"] is None)
        assert row["limit"] is None or row["difference"] <= row["limit"]
        assert row["what"] in printed.out
    assert results["machine"]["processor"] in printed.out and results["machine"]["matmul"] > 0


def test_command_line_is_checked() -> None:
    with pytest.raises(UserError, match="unknown benchmark 'kbpnn'.*did you mean 'kbpn'"):
        parse(["--only", "kbpnn"])
    with pytest.raises(UserError, match="--rounds 0"):
        parse(["--rounds", "0"])


@pytest.mark.parametrize("content", ["a text", "[1]", '{"format": "other"}'])
def test_other_files_are_not_overwritten(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(content)
    with pytest.raises(UserError, match="holds no benchmark results"):
        main(["--small", "--out", str(file)])
    assert file.read_text() == content
    file.write_text(json.dumps({"format": table.FORMAT}))
    table.check_target(file)


def test_peak_memory_is_that_of_the_work() -> None:
    def work() -> None:
        for size in (64 * MIB, 16 * MIB):
            with mmap.mmap(-1, size) as held:  # from the system and back to it, however malloc is set
                for page in range(0, size, mmap.PAGESIZE):
                    held[page] = 1

    assert 60 * MIB < peak_while(work) < 80 * MIB


def test_works_run_alternately() -> None:
    order: list[str] = []
    medians = alternate([lambda: order.append("a"), lambda: order.append("b")], rounds=3)
    assert "".join(order) == "abbaabba" and min(medians) >= 0


def test_difference_is_relative_to_the_largest_magnitude() -> None:
    assert largest_difference({"x": torch.tensor([1.0, 10.0])}, {"x": np.array([2.0, 10.0])}) == pytest.approx(0.1)
    assert largest_difference({"x": [math.nan, 1.0]}, {"x": [math.nan, 1.0]}) == 0
    assert largest_difference({"x": [math.nan, 1.0]}, {"x": [1.0, 1.0]}) == math.inf
    assert largest_difference({"x": [1.0]}, {"y": [1.0]}) == math.inf
    assert largest_difference({"x": [1.0]}, {"x": [1.0, 1.0]}) == math.inf
    assert largest_difference({"x": [0.0]}, {"x": [0.0]}) == 0


def test_growth_fits_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "growth.json"
    growth.main(["--small", "--rounds", "1", "--only", "side", "thresholds", "--out", str(file)])
    curves = json.loads(file.read_text())["curves"]
    assert [curve["axis"] for curve in curves] == ["LR side, px", "thresholds"]
    assert all(math.isfinite(curve["exponent"]) and len(curve["sizes"]) == len(curve["seconds"]) for curve in curves)
    assert file.with_suffix(".png").stat().st_size > 1000
    assert "| surface sweep | thresholds | 3, 9 |" in capsys.readouterr().out
    with pytest.raises(UserError, match="unknown size 'sides'"):
        growth.parse(["--only", "sides"])


def test_exponent_is_the_slope_of_the_logarithms() -> None:
    assert growth.exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)


def test_train_step_prints_ours_and_dense(capsys: pytest.CaptureFixture) -> None:
    sizes = ["--batch", "2", "--crop", "32", "--rounds", "1", "--ceiling", "64"]
    ways = ["--dense", "--channels_last", "--gradient_checkpointing", "--precision", "bfloat16"]
    train_step.main(["-opt", str(TINY), *sizes, *ways])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tiny.yml: 2 x HR 32x32 on cpu")
    ours, dense, _, degradation = lines[-4:]
    assert ours.startswith("| ours, bfloat16, channels_last, gradient_checkpointing |")
    assert dense.startswith("| dense, float32 |")
    assert re.fullmatch(r"degradation of the batch: [\d.]+ ms, [\d.]+% of a step of ours", degradation)


def test_precision_prints_both_and_their_ratio(capsys: pytest.CaptureFixture) -> None:
    precision.main(["-opt", str(TINY), "--crop", "32", "--side", "64", "--rounds", "1"])
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert rows[0].startswith("| training step, 2 x HR 32x32 |")
    assert rows[1].startswith("| networks, LR 16x16 to HR 64x64 |")
    for line in rows:
        single, half, ratio = (float(one) for one in line.split("|")[2:5])
        assert single / half == pytest.approx(ratio, abs=0.1 + ratio / min(single, half))
    with pytest.raises(UserError, match="--rounds 0"):
        precision.main(["--rounds", "0"])


def test_authors_step_needs_a_clone_of_their_program(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model/engine/train/trainer.py there; give a folder made by git clone"):
        authors_step.main(["--clone", str(tmp_path)])


def test_authors_step_divides_medians_by_the_first() -> None:
    lines = authors_step.table({"theirs": [4.0, 9.0, 6.0], "ours": [2.0, 1.0, 1.5]}).splitlines()
    assert lines[2] == "| theirs | 6.00 | 4.00, 9.00, 6.00 | 1.00 |"
    assert lines[3] == "| ours | 1.50 | 2.00, 1.00, 1.50 | 4.00 |"


def test_dense_step_is_the_same_step() -> None:
    options = load(TINY, batch=2)
    batch, cpu = ready_batch(options), torch.device("cpu")
    ours, dense = JointStep(options, cpu), JointStep(options, cpu)
    dense.model.sr = DenseKBPN(dense.model.sr)
    assert ours(batch)["loss"].item() == pytest.approx(dense(batch)["loss"].item(), rel=1e-5)


def test_a_whole_test_set_is_scored(capsys: pytest.CaptureFixture) -> None:
    test_set.main(["--images", "3", "--side", "64"])
    assert capsys.readouterr().out.startswith("3 images 64x64: ")
    with pytest.raises(UserError, match="--images 1 or more"):
        test_set.main(["--images", "0"])


def test_unusable_devices_and_networks_are_named() -> None:
    with pytest.raises(UserError, match="--device nonsense: not usable here"):
        train_step.parse(["--device", "nonsense"])
    with pytest.raises(UserError, match="no network_sr of type kbpn"):
        train_step.main(["-opt", str(ROOT / "options/pspnet.yml"), "--dense", "--batch", "2", "--ceiling", "64"])


def test_averaging_scores_four_ways(capsys: pytest.CaptureFixture) -> None:
    averaging.main(["-opt", str(TINY), "--seeds", "1", "2", "--steps", "1", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| step | metric | live | copied | averaged | estimated again |"
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        [f"| {step}", metric] for step in (1, 3) for metric in ("dice", "iou_max")
    ]
    with pytest.raises(UserError, match="--steps 0"):
        averaging.main(["--steps", "0"])
    with pytest.raises(UserError, match="datasets.val"):
        averaging.main(["-opt", str(TINY), "--force_yml", "datasets:val=null"])


def test_averaging_table_by_hand() -> None:
    """Differences of -0.1 and -0.3 to the average: their mean is in the figures, their deviation 0.1."""
    runs = [
        {5: {way: {"dice": value} for way, value in zip(averaging.WAYS, (0.3, low, 0.5, 0.5), strict=True)}}
        for low in (0.4, 0.2)
    ]
    expected = "| 5 | dice | 0.300 ± 0.000 | 0.300 ± 0.100 | 0.500 ± 0.000 | 0.500 ± 0.000 |"
    assert averaging.table(runs).splitlines()[-1] == expected


def test_statistics_are_those_of_the_batches() -> None:
    """The first norm sees what the first convolution gives: mean and unbiased variance over each batch, averaged."""
    changes = [*averaging.SEGMENTATION_ALONE, "network_seg={type: fpn, encoder: plain, width: 8}"]
    options = load(TINY, changes)
    plan, model = build_schedule(options, 6), build_model(options).eval()
    batches = [Envelope(batch, plan.at(1)) for batch in averaging.training_batches(options, 3)]
    seen: list[torch.Tensor] = []
    hook = model.seg.encoder.stages[0][0].register_forward_hook(lambda *call: seen.append(call[2].detach()))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    changed = averaging.with_statistics_estimated(model, TrainStep(model, build_loss(options)), batches)
    hook.remove()
    assert len(seen) == 3
    found = changed.seg.encoder.stages[0][1]
    torch.testing.assert_close(found.running_mean, torch.stack([one.mean((0, 2, 3)) for one in seen]).mean(0))
    torch.testing.assert_close(found.running_var, torch.stack([one.var((0, 2, 3)) for one in seen]).mean(0))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    again = averaging.with_statistics_of(changed, model).state_dict()
    assert all(torch.equal(value, before[key]) for key, value in again.items())


@pytest.mark.slow
def test_scaling_measures_two_processes(capsys: pytest.CaptureFixture) -> None:
    sizes = ["--batch", "2", "--crop", "32", "--steps", "1", "--rounds", "1"]
    scaling.main(["-opt", str(TINY), *sizes])
    lines = capsys.readouterr().out.splitlines()
    one, two = (next(line for line in lines if line.startswith(f"| {count} |")) for count in (1, 2))
    assert one.endswith("| - | 100% |") and two.endswith("% |")
    assert any(line.startswith("tiny.yml: ") for line in lines) and lines[-1].startswith("| 64 | 50 |")


def test_scaling_estimate_by_hand() -> None:
    """100 MB over 8 GPUs at 10 GB/s: 2 * 7/8 * 0.1 / 10 = 17.5 ms; of a step of 15 ms 10 can hide."""
    row = scaling.estimated_table(1e8, 0.015, [(8, 10.0)]).splitlines()[-1]
    assert row == "| 8 | 10 | 17.5 | 46% | 67% |"
    for wrong in ("8", "8=x", "0=5", "8=-1"):
        with pytest.raises(UserError, match="write GPUs=GB/s"):
            scaling.read_link(wrong)
