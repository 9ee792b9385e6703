"""Reads what a training of the smallest experiment left behind, and compares two such runs bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.runtime import precision
from engine.runtime.experiment import Experiment
from tracking.keys import TRAIN_DATA_WAIT, TRAIN_LOSS, TRAIN_SECONDS, TRAIN_STEPS_PER_SECOND
from tracking.metrics_log import read_metrics

UNEQUAL = {TRAIN_STEPS_PER_SECOND, TRAIN_DATA_WAIT, TRAIN_SECONDS, "time"}


def experiment(folder: Path) -> Experiment:
    return Experiment(folder / "experiments" / "tiny")


def log_of(folder: Path) -> list[dict[str, float]]:
    """Everything logged except times and speeds."""
    entries = read_metrics(experiment(folder).folder / "metrics.jsonl")
    return [{key: value for key, value in entry.items() if key not in UNEQUAL} for entry in entries]


def losses_of(folder: Path) -> list[float]:
    return [entry[TRAIN_LOSS] for entry in log_of(folder) if TRAIN_LOSS in entry]


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def assert_same(one: object, other: object, path: str = "") -> None:
    """Compare nested states; tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, (list, tuple)):
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{path}.{index}")
    else:
        assert one == other, path


def assert_same_run(whole: Path, resumed: Path) -> None:
    """The same log and, bit for bit, the same weights, optimiser and random states."""
    assert log_of(whole) == log_of(resumed)
    one, other = (load(experiment(folder).state) for folder in (whole, resumed))
    assert one.keys() == other.keys()
    for key in one.keys() - {"run_id", "meta", "options"}:
        assert_same(one[key], other[key], key)
    assert_same(load(experiment(whole).latest)["model"], load(experiment(resumed).latest)["model"])


def hardware(patch: pytest.MonkeyPatch, native: bool) -> None:
    """A CPU, with oneDNN, that multiplies bfloat16 or not."""
    patch.setattr(precision, "cpu_multiplies", lambda: native)
    patch.setattr(precision, "onednn_multiplies", lambda: True)
