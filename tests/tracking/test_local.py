"""The local log, the keys and the state of the checkout."""

from __future__ import annotations

import json
import math
import re
import subprocess

import numpy as np
import pytest

from contracts.errors import UserError
from tracking import keys
from tracking.git import commit_hash
from tracking.metrics_log import MetricsLog, read_metrics


def test_numbers_come_back_exactly(tmp_path):
    log = MetricsLog(tmp_path / "new" / "metrics.jsonl")
    value = float(np.float32(0.1))
    log.append({"train/loss": value, "train/lr": 1e-3 / 3}, step=7)
    entry = read_metrics(tmp_path / "new" / "metrics.jsonl")[0]
    assert (entry["step"], entry["train/loss"], entry["train/lr"]) == (7, value, 1e-3 / 3)
    assert entry["time"] > 1.7e9


def test_resume_reads_like_an_uninterrupted_run(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, last_step=-1)
    for step in range(10, 60, 10):
        log.append({"train/loss": float(step)}, step)
    with path.open("a") as file:
        file.write('{"step": 60, "time": 1.0, "train/lo')  # killed while writing
    log = MetricsLog(path, last_step=30)
    for step in (40, 50, 60):
        log.append({"train/loss": float(step)}, step)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["train/loss"] for line in lines] == [10, 20, 30, 40, 50, 60]


def test_evaluation_appends_and_a_fresh_start_empties(tmp_path):
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).append({"train/loss": 1.0}, 10)
    MetricsLog(path).append({"test/hr/dice": 0.5}, 10)
    assert len(read_metrics(path)) == 2
    MetricsLog(path, last_step=-1).close()
    assert read_metrics(path) == [] and path.exists()


def test_values_that_are_not_finite_stay_valid_json(tmp_path):
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).append({"train/loss": math.nan, "train/grad_norm": math.inf}, 1)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert json.loads(path.read_text(), parse_constant=refuse)["train/loss"] is None
    assert math.isnan(read_metrics(path)[0]["train/loss"])


def test_each_line_is_on_disk_at_once(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append({"train/loss": 1.0}, 1)
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1


def test_missing_log_is_empty(tmp_path):
    assert read_metrics(tmp_path / "absent.jsonl") == []


def test_keys_name_phase_condition_and_metric():
    assert keys.val_key("degraded", "dice") == "val/degraded/dice"
    assert keys.test_key("hr", "iou_max") == "test/hr/iou_max"
    assert keys.baseline_key("classical", "clean", "dice") == "test/classical/clean/dice"
    assert keys.panel_key("val", "degraded", 1) == "val/degraded/panel_1"
    train_keys = [value for name, value in vars(keys).items() if name.startswith("TRAIN_")]
    assert len(set(train_keys)) == len(train_keys)
    assert all(re.fullmatch(r"train/[a-z_]+", key) for key in train_keys)
    with pytest.raises(UserError, match="did you mean 'degraded'"):
        keys.val_key("degrade", "dice")


def run_git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_hash(tmp_path):
    assert commit_hash(tmp_path) is None
    run_git(tmp_path, "init", "-q")
    assert commit_hash(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("a = 1\n")
    run_git(tmp_path, "add", "code.py")
    run_git(tmp_path, "commit", "-q", "--no-verify", "-m", "first")
    commit = run_git(tmp_path, "rev-parse", "HEAD")
    assert commit_hash(tmp_path) == commit
    (tmp_path / "note.txt").write_text("untracked files do not count\n")
    assert commit_hash(tmp_path) == commit
    (tmp_path / "code.py").write_text("a = 2\n")
    assert commit_hash(tmp_path) == f"{commit}-dirty"


def test_commit_hash_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_hash(tmp_path) is None
