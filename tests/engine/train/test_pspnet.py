"""PSPNet on whole photographs of one size: the course project's options, reduced, from training to its charts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data.distance import signed_distance_map
from engine.build.data import build_source, build_train_sources
from engine.evaluate.evaluation import EvaluatedImage
from engine.options import Options
from engine.options.load import load_options
from engine.runtime.checkpoint import load_file
from engine.train.build import build_schedule, build_validator
from losses.combo import SEGMENTATION_LOSSES
from tests.helpers.folders import write_photographs
from tests.helpers.runs import ROOT, run_well, train_here
from tracking.metrics_log import read_metrics

SMALL = (
    "network_seg={type: pspnet, encoder: resnet18, width: 0.0625}", "train:total_iter=6", "train:optimizer:lr=1.0e-3",
    "datasets:train:loader={batch_size: 2, workers: 0}", "datasets:train:augmentation:crop=64", "val:val_freq=2",
    "wandb:mode=disabled", "evaluation:surface_step=50", "evaluation:panels=1", "logger:print_freq=1",
)  # fmt: skip


def options(name: str, folder: Path, *changes: str) -> Options:
    return load_options(
        ROOT / "options" / f"{name}.yml", [f"path:experiments_root={folder / 'experiments'}", *SMALL, *changes]
    )


def drawn(folder: Path) -> Options:
    sizes = [f"datasets:{part}:{key}" for part in ("train", "val", "test") for key in ("count=20", "size=64")]
    return options("pspnet", folder, *sizes)


def test_parts_of_the_split_have_nothing_in_common(tmp_path: Path) -> None:
    chosen = drawn(tmp_path)
    train, val = build_train_sources(chosen)
    test = build_source(chosen.datasets.test, "datasets.test")
    names = [[source.name(index) for index in range(len(source))] for source in (train, val, test)]
    assert [len(part) for part in names] == [16, 2, 2] and len(set(sum(names, []))) == 20


def test_share_of_the_boundary_term_rises_by_passes() -> None:
    chosen = load_options(ROOT / "options" / "pspnet.yml")
    plan = build_schedule(chosen, images=320)
    assert chosen.train.total_iter / plan.pass_steps == 50
    for epoch in (0, 1, 25, 49):
        assert 1 - plan.at(epoch * 40 + 1).alpha == pytest.approx(epoch / 50)


def test_best_weights_have_the_lowest_validation_loss(tmp_path: Path) -> None:
    chosen = drawn(tmp_path)
    train_here(chosen)
    folder = tmp_path / "experiments" / "pspnet"
    losses = {e["step"]: e["val/hr/loss"] for e in read_metrics(folder / "metrics.jsonl") if "val/hr/loss" in e}
    assert set(losses) == {2, 4, 6}
    assert load_file(folder / "models" / "best.pth")["step"] == min(losses, key=losses.get)
    run_well("evaluate.py", "--weights", folder / "models" / "best.pth", cwd=tmp_path)
    results = json.loads((folder / "results" / "results.json").read_text())["hr"]
    pixels = [results[name] for name in ("true_positives", "false_positives", "false_negatives", "true_negatives")]
    assert sum(pixels) == 2 * 64 * 64
    assert results["accuracy"] == pytest.approx((pixels[0] + pixels[3]) / (2 * 64 * 64))
    for chart in ("confusion", "scores"):
        assert (folder / "results" / "curves" / f"{chart}.png").is_file()


def test_validation_loss_is_that_of_training(tmp_path: Path) -> None:
    chosen = drawn(tmp_path)
    _, val = build_train_sources(chosen)
    validator = build_validator(chosen, val, torch.device("cpu"))
    rng = np.random.default_rng(0)
    logits, mask = rng.normal(0, 3, (64, 64)).astype(np.float32), np.zeros((64, 64), np.float32)
    mask[20:30, 5:50] = 1
    losses = validator.losses(
        EvaluatedImage("a", "hr", np.zeros((3, 64, 64), np.float32), mask, mask, logits=logits), 0.25
    )
    tensors = (torch.from_numpy(one)[None, None] for one in (logits, mask, signed_distance_map(mask)))
    expected = SEGMENTATION_LOSSES["generalised_boundary_combo"](positive="ratio")(*tensors, 0.25)
    assert losses == {"loss": pytest.approx(float(expected), rel=1e-6)}


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_photographs_of_any_size(tmp_path: Path, keep_aspect: bool) -> None:
    root = write_photographs(tmp_path / "data" / "train", {f"a{i}": (48 + 8 * i, 90) for i in range(10)}).parent
    resize = [
        f"datasets:{part}:{key}"
        for part in ("train", "val", "test")
        for key in (f"root={root}", "resize=64", f"keep_aspect={str(keep_aspect).lower()}")
    ]
    chosen = options(
        "pspnet_khanhha", tmp_path, *resize, "train:total_iter=2",
        "network_seg={type: pspnet, encoder: resnet18, width: 0.0625}",
    )  # fmt: skip
    train_here(chosen)
    folder = tmp_path / "experiments" / "pspnet_khanhha"
    run_well("evaluate.py", "--weights", folder / "models" / "latest.pth", cwd=tmp_path)
    count = len(build_source(chosen.datasets.test, "datasets.test"))
    assert json.loads((folder / "results" / "results.json").read_text())["hr"]["images"] == count > 0
