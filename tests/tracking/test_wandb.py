"""Real W&B runs, recorded offline, read back from the file that ``wandb sync`` would upload."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from PIL import Image
from wandb.proto.wandb_internal_pb2 import Record

from contracts.errors import UserError
from tests.helpers.wandb_records import read_records, run_record, session_files
from tracking import wandb_sink
from tracking.keys import STEP, TEST_PER_IMAGE, TRAIN_LOSS, test_key, val_key
from tracking.metrics_log import read_metrics
from tracking.tracker import NullTracker, Tracker
from tracking.wandb_sink import WandbSettings

OFFLINE = WandbSettings("offline", project="cracks", entity="lab", group="benchmark", tags=("x4", "joint"))


@pytest.fixture(autouse=True)
def no_key_no_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No W&B variable of the caller or of other tests, no netrc, no settings file."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_SILENT", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "absent"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))


def history(records: list[Record]) -> list[dict[str, Any]]:
    """The rows as logged: numbers by key; pictures and tables as dictionaries by key."""
    rows: list[dict[str, Any]] = []
    for record in (r for r in records if r.WhichOneof("record_type") == "history"):
        row: dict[str, Any] = {}
        for item in record.history.item:
            key, *inner = list(item.nested_key) or [item.key]
            value = json.loads(item.value_json)
            if inner:
                row.setdefault(key, {})[inner[0]] = value
            else:
                row[key] = value
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tracker]:
    """One offline run with numbers, pictures, a table and a summary; returns its folder and tracker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        folder = tmp_path_factory.mktemp("experiment")
        options = {"train": {"total_iter": 20}, "path": None}
        tracker = Tracker(folder, options, OFFLINE, "first", meta={"git": {"commit": "abc", "dirty": False}})
        tracker.log({TRAIN_LOSS: 0.5}, 10)
        tracker.log({TRAIN_LOSS: np.float32(0.25), val_key("degraded", "dice"): 0.625}, 20)
        tracker.images({"val/degraded/panel_0": np.full((6, 9, 3), 200, np.uint8)}, 20)
        rows = [{"name": "001", "dice": 0.5}, {"name": "002", "dice": 0.75, "hd95": 3.5}]
        tracker.table(TEST_PER_IMAGE, rows)
        tracker.summary({test_key("degraded", "dice"): 0.625})
        tracker.finish()
    return folder, tracker


def test_history_config_tags_and_axis_of_an_offline_run(recorded):
    folder, tracker = recorded
    records = read_records(session_files(folder)[0])
    rows = history(records)
    assert [(row[STEP], row["_step"]) for row in rows] == [(10, 10), (20, 20), (20, 21), (20, 22)]
    assert rows[0][TRAIN_LOSS] == 0.5
    assert rows[1][TRAIN_LOSS] == 0.25 and rows[1]["val/degraded/dice"] == 0.625
    run = run_record(records)
    assert (run.run_id, run.display_name) == (tracker.run_id, "first")
    assert (run.project, run.entity) == ("cracks", "lab")
    assert (run.run_group, list(run.tags)) == ("benchmark", ["x4", "joint"])
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["train"] == {"total_iter": 20} and config["path"] is None
    assert config["meta"] == {"git": {"commit": "abc", "dirty": False}}
    metrics = [r.metric for r in records if r.WhichOneof("record_type") == "metric"]
    assert any(m.glob_name == "*" and m.step_metric == STEP for m in metrics)


def test_pictures_and_tables_of_an_offline_run(recorded):
    folder, _ = recorded
    path = session_files(folder)[0]
    rows = history(read_records(path))
    picture, table = rows[2]["val/degraded/panel_0"], rows[3][TEST_PER_IMAGE]
    assert picture["_type"] == "image-file" and (picture["width"], picture["height"]) == (9, 6)
    with Image.open(path.parent / "files" / picture["path"]) as image:
        assert np.array_equal(np.asarray(image), np.full((6, 9, 3), 200, np.uint8))
    assert table["_type"] == "table-file"
    content = json.loads((path.parent / "files" / table["path"]).read_text())
    assert content["columns"] == ["name", "dice", "hd95"]
    assert content["data"] == [["001", 0.5, None], ["002", 0.75, 3.5]]


def test_summary_of_an_offline_run(recorded):
    folder, _ = recorded
    records = read_records(session_files(folder)[0])
    updates = [r.summary for r in records if r.WhichOneof("record_type") == "summary"]
    values = {i.key or "/".join(i.nested_key): i.value_json for u in updates for i in u.update}
    assert json.loads(values["test/degraded/dice"]) == 0.625


def test_local_files_hold_the_same(recorded):
    folder, _ = recorded
    entries = read_metrics(folder / "metrics.jsonl")
    assert [(e[STEP], e[TRAIN_LOSS]) for e in entries] == [(10, 0.5), (20, 0.25)]
    with Image.open(folder / "visualization/val/degraded/panel_0/00000020.png") as image:
        assert image.size == (9, 6)
    with (folder / "tables/test/per_image.csv").open(newline="") as file:
        assert next(iter(csv.DictReader(file))) == {"name": "001", "dice": "0.5", "hd95": ""}
    assert json.loads((folder / "summary.json").read_text()) == {"test/degraded/dice": 0.625}


def test_run_id_survives_a_resume(tmp_path, capfd):
    first = Tracker(tmp_path, {}, OFFLINE, "resumed")
    for step in (10, 20, 30):
        first.log({TRAIN_LOSS: step / 10}, step)
    first.finish()
    state = random.getstate()
    second = Tracker(tmp_path, {}, OFFLINE, "resumed", run_id=first.run_id, last_step=20)
    for step in (30, 40):
        second.log({TRAIN_LOSS: step / 10}, step)
    second.finish()
    assert random.getstate() == state
    files = sorted(session_files(tmp_path), key=lambda path: len(history(read_records(path))))
    assert len(files) == 2
    assert {run_record(read_records(path)).run_id for path in files} == {first.run_id}
    assert [[row[STEP] for row in history(read_records(path))] for path in files] == [[30, 40], [10, 20, 30]]
    entries = read_metrics(tmp_path / "metrics.jsonl")
    assert [(e[STEP], e[TRAIN_LOSS]) for e in entries] == [(10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0)]
    out, err = capfd.readouterr()
    assert out.count(f"wandb sync {tmp_path}/wandb/offline-run-*-{first.run_id}") == 2
    assert len(out.splitlines()) == 4 and err == ""


def test_a_step_that_wandb_has_already_is_logged_all_the_same(tmp_path):
    tracker = Tracker(tmp_path, {}, OFFLINE, "back")
    for step in (100, 50, 60):
        tracker.log({TRAIN_LOSS: float(step)}, step)
    tracker.finish()
    rows = history(read_records(session_files(tmp_path)[0]))
    seen = {row[STEP]: row[TRAIN_LOSS] for row in rows}
    assert seen[60] == 60.0 and seen[50] == 50.0 and seen[100] == 100.0


def test_unreachable_server_falls_back_to_offline(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(wandb_sink, "INIT_TIMEOUT", 1.0)
    wandb.teardown()
    tracker = Tracker(tmp_path, {}, WandbSettings(mode="auto"), "unreachable")
    tracker.log({TRAIN_LOSS: 1.0}, 1)
    tracker.finish()
    out, err = capfd.readouterr()
    assert "cannot go online" in out.splitlines()[0] and "wandb sync" in out.splitlines()[-1]
    assert len(out.splitlines()) == 3 and err == ""
    assert history(read_records(session_files(tmp_path)[0]))[0][TRAIN_LOSS] == 1.0


@pytest.mark.parametrize("where", ["init", "log"])
def test_broken_wandb_costs_one_line(tmp_path, monkeypatch, capfd, where):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk of W&B\nis full")

    target, name = (wandb, "init") if where == "init" else (wandb.Run, "log")
    monkeypatch.setattr(target, name, broken)
    tracker = Tracker(tmp_path, {}, OFFLINE, "broken")
    for step in (1, 2, 3):
        tracker.log({TRAIN_LOSS: float(step)}, step)
    tracker.images({"val/hr/panel_0": np.zeros((4, 4, 3), np.uint8)}, 3)
    tracker.table(TEST_PER_IMAGE, [{"name": "a"}])
    tracker.summary({"best": 1.0})
    tracker.finish()
    lines = [line for line in capfd.readouterr().out.splitlines() if "off for" in line]
    assert len(lines) == 1 and "the disk of W&B is full" in lines[0]
    assert [e[TRAIN_LOSS] for e in read_metrics(tmp_path / "metrics.jsonl")] == [1.0, 2.0, 3.0]
    assert (tmp_path / "visualization/val/hr/panel_0/00000003.png").exists()


def test_disabled_does_not_start_wandb(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(wandb, "init", None)
    tracker = Tracker(tmp_path, {}, WandbSettings(mode="disabled"), "quiet")
    tracker.log({TRAIN_LOSS: 1.0}, 1)
    tracker.finish()
    assert capfd.readouterr().out == "" and not (tmp_path / "wandb").exists()
    assert len(tracker.run_id) == 8


def test_the_mode_follows_key_and_environment(monkeypatch, tmp_path, capsys):
    mode = wandb_sink.effective_mode
    assert mode("auto") == "offline" and capsys.readouterr().out == ""
    assert mode("online") == "offline" and "wandb login" in capsys.readouterr().out
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password " + "0" * 40)
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert mode("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mode("online") == "disabled"
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(UserError, match="offline"):
        mode("auto")


def test_null_tracker_accepts_everything():
    tracker = NullTracker()
    tracker.log({TRAIN_LOSS: 1.0}, 1)
    tracker.images({}, 1)
    tracker.table(TEST_PER_IMAGE, [])
    tracker.summary({})
    tracker.finish()
    assert tracker.run_id is None
