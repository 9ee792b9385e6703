"""The one tracker of an experiment: local files first, W&B beside them.

Folder of an experiment::

    metrics.jsonl              numbers, one JSON object per line with step and wall time
    summary.json               final values
    tables/KEY.csv             tables
    visualization/KEY/STEP.png pictures
    wandb/                     what W&B keeps
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contracts.files import write_table, write_text
from tracking.metrics_log import MetricsLog
from tracking.wandb_sink import WandbSettings, WandbSink
from visualization.drawing import save_all


class NullTracker:
    """The tracker of every process but the first: accepts everything, keeps nothing."""

    run_id: str | None = None

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers.

        Args:
            values: Python, NumPy or 0-d tensors, by key.
            step: of the training.
        """

    def images(self, images: Mapping[str, np.ndarray], step: int) -> None:
        """Record pictures.

        Args:
            images: uint8 RGB [H,W,3], by key.
            step: of the training.
        """

    def table(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record a table.

        Args:
            key: of the table.
            rows: one mapping each; a column that a row lacks stays empty there.
        """

    def files(self, paths: Sequence[Path]) -> None:
        """Keep files that lie elsewhere with the W&B run, by their names."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Record final values by key; later ones replace earlier ones."""

    def finish(self) -> None:
        """Close everything; the tracker cannot be used afterwards."""


class Tracker(NullTracker):
    """Writes to the experiment's folder and to one W&B run.

    Args:
        folder: of the experiment, made if missing.
        options: the resolved options, shown by W&B as the configuration.
        wandb: where and how W&B runs.
        name: what the run is called.
        run_id: of the run to go on with, from a checkpoint; None starts a new one.
        meta: git commit, data fingerprint and the like, shown under ``meta`` in the configuration.
        last_step: of the checkpoint resumed from, later local entries are dropped; None keeps everything
            (evaluation), -1 empties the log (a fresh start).
    """

    def __init__(
        self,
        folder: Path,
        options: Mapping[str, Any],
        wandb: WandbSettings,
        name: str,
        run_id: str | None = None,
        meta: Mapping[str, Any] | None = None,
        last_step: int | None = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.run_id: str = run_id or secrets.token_hex(4)
        self._metrics = MetricsLog(self.folder / "metrics.jsonl", last_step)
        self._step = 0
        config = {**options, "meta": dict(meta or {})}
        self._wandb = WandbSink(self.folder, wandb, name=name, run_id=self.run_id, config=config)

    def log(self, values: Mapping[str, float], step: int) -> None:
        numbers = {key: float(value) for key, value in values.items()}
        self._step = step
        self._metrics.append(numbers, step)
        self._wandb.log(numbers, step)

    def images(self, images: Mapping[str, np.ndarray], step: int) -> None:
        self._step = step
        folder, name = self.folder / "visualization", f"{step:08d}.png"
        paths = {key: folder / key / name for key in images}
        saved = save_all({paths[key]: image for key, image in images.items()})
        self._wandb.images({key: path if path in saved else images[key] for key, path in paths.items()}, step)

    def table(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        write_table(self.folder / "tables" / f"{key}.csv", rows)
        self._wandb.table(key, columns, [[row.get(name) for name in columns] for row in rows], self._step)

    def files(self, paths: Sequence[Path]) -> None:
        self._wandb.files(paths)

    def summary(self, values: Mapping[str, Any]) -> None:
        path = self.folder / "summary.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        write_text(path, json.dumps({**known, **values}, indent=2, default=float))
        self._wandb.summary(values)

    def finish(self) -> None:
        self._metrics.close()
        self._wandb.finish()
