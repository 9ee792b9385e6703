"""Training from image labels alone: from the options file to the results, and provably without the masks' pixels."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.options import Options
from engine.options.load import load_options
from engine.runtime.checkpoint import load_file
from tests.helpers.folders import write_photographs
from tests.helpers.runs import ROOT, run_well, train_here

SMALL = (
    "network_seg={type: unet_encoder, encoder: resnet18, width: 0.05, pretrained: none}", "train:total_iter=3",
    "datasets:train:loader={batch_size: 2, workers: 0}", "datasets:train:augmentation:crop=64", "val:val_freq=0",
    "datasets:test={type: synthetic, count: 2, seed: 3, size: 64}", "wandb:mode=disabled",
    "evaluation:surface_step=50", "evaluation:panels=1",
)  # fmt: skip


def options(name: str, folder: Path, *changes: str) -> Options:
    return load_options(
        ROOT / "options" / f"{name}.yml", [f"path:experiments_root={folder / 'experiments'}", *SMALL, *changes]
    )


def trained(chosen: Options) -> dict[str, torch.Tensor]:
    train_here(chosen)
    return load_file(Path(chosen.path.experiments_root) / chosen.name / "models" / "latest.pth")["model"]


def evaluated(chosen: Options, *flags: str) -> dict[str, dict]:
    """The results of the latest weights on the two drawn test photographs."""
    folder = Path(chosen.path.experiments_root) / chosen.name
    run_well("evaluate.py", *flags, "--weights", folder / "models" / "latest.pth", cwd=folder)
    return json.loads((folder / "results" / "results.json").read_text())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photographs(tmp_path / "data", {"a": (64, 64), "b": (64, 64)})
    return write_photographs(tmp_path / "data", {"noncrack_c": (64, 64)}, crack=False)


@pytest.mark.parametrize("pooling", ["max", "log_sum_exp", "top"])
def test_drawn_photographs_train_and_evaluate(tmp_path: Path, pooling: str) -> None:
    drawn = ("datasets:train:count=6", "datasets:train:size=64")
    chosen = options("weak", tmp_path, *drawn, f"loss:segmentation:pooling={pooling}")
    assert all(value.isfinite().all() for value in trained(chosen).values())
    figures = evaluated(chosen)["hr"]
    assert figures["images"] == 2 and 0 <= figures["dice"] <= 1


def test_behind_a_restoring_network(tmp_path: Path) -> None:
    drawn = ("datasets:train:count=6", "datasets:train:size=64", "train:total_iter=10")
    small = ("network_sr:width=8", "network_sr:corrector_width=4", "network_sr:modulation_width=8")
    chosen = options("weak_joint", tmp_path, *drawn, *small)
    assert all(value.isfinite().all() for value in trained(chosen).values())
    results = evaluated(chosen, "--degraded")
    assert [results[condition]["images"] for condition in ("clean", "degraded")] == [2, 2]


@pytest.mark.parametrize("source", ["prefix", "csv"])
def test_masks_of_noise_give_the_same_weights(folder: Path, tmp_path: Path, source: str) -> None:
    (tmp_path / "labels.csv").write_text("a,1\nb,1\nnoncrack_c,0\n")
    labels = "{source: prefix}" if source == "prefix" else f"{{source: csv, file: {tmp_path / 'labels.csv'}}}"
    chosen = options(
        "weak_khanhha", tmp_path, f"datasets:train:root={folder}", "datasets:train:part=null",
        f"datasets:train:labels={labels}",
    )  # fmt: skip
    first = trained(chosen)
    rng = np.random.default_rng(0)
    for mask in (folder / "masks").iterdir():
        cv2.imwrite(str(mask), rng.integers(0, 256, (64, 64), np.uint8))
    assert equal(first, trained(chosen))
    (folder / "images" / "a.png").write_bytes((folder / "images" / "b.png").read_bytes())
    assert not equal(first, trained(chosen))


def test_labels_from_masks_depend_on_nothing_but_their_emptiness(folder: Path, tmp_path: Path) -> None:
    changes = (f"datasets:train:root={folder}", "datasets:train:part=null", "datasets:train:labels={source: masks}")
    first = trained(options("weak_khanhha", tmp_path, *changes))
    for stem in ("a", "b"):
        cv2.imwrite(str(folder / "masks" / f"{stem}.png"), np.full((64, 64), 255, np.uint8))
    assert equal(first, trained(options("weak_khanhha", tmp_path, *changes)))
