"""counts.npz: read back as written, and whatever else is there is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts.errors import UserError
from metrics import pooled, sweep
from metrics.counts_file import COUNTS, read_counts, write_counts

NAMES = ("a", "ü/b", "c\udcff")


def counts(seed: int) -> sweep.Counts:
    rng = np.random.default_rng(seed)
    pairs = [(rng.random((9, 7 + i)), rng.random((9, 7 + i)) > 0.7) for i in range(len(NAMES))]
    return pooled.stacked([sweep.count(sweep.threshold_levels(prob), truth) for prob, truth in pairs])


def test_read_back_as_written(tmp_path: Path) -> None:
    written = {("model", "hr"): counts(0), ("classical", "degraded"): counts(1)}
    write_counts(tmp_path / COUNTS, NAMES, written)
    for path in (tmp_path, tmp_path / COUNTS):
        saved = read_counts(path)
        assert saved.names == NAMES and list(saved.counts) == list(written)
        for key, one in saved.counts.items():
            for field in ("true_positive", "false_positive", "false_negative", "pixels"):
                np.testing.assert_array_equal(getattr(one, field), getattr(written[key], field))
    with np.load(tmp_path / COUNTS) as raw:
        assert raw["model/hr/true_positive"].dtype == np.int32 and raw["model/hr/pixels"].dtype == np.int64


def test_files_that_hold_something_else_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{COUNTS}: there is none; run evaluate.py"):
        read_counts(tmp_path)
    (tmp_path / COUNTS).write_bytes(b"no archive")
    with pytest.raises(UserError, match="holds no counts of an evaluation"):
        read_counts(tmp_path)
    np.savez(tmp_path / COUNTS, something=np.ones(3))
    with pytest.raises(UserError, match="holds no counts"):
        read_counts(tmp_path)
    write_counts(tmp_path / COUNTS, NAMES[:2], {("model", "hr"): counts(0)})
    with pytest.raises(UserError, match="other images than it names"):
        read_counts(tmp_path)
