"""The local log of numbers: ``metrics.jsonl``, one JSON object per line."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

from contracts.files import Appended, write_text
from tracking.keys import STEP, TIME


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the entries of a ``metrics.jsonl`` in order; a missing file is an empty log.

    A line that is not complete JSON (the process was killed while writing it) is left out. Values
    that were not finite are stored as null and come back as NaN.
    """
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict) and STEP in entry:
            entries.append({key: math.nan if value is None else value for key, value in entry.items()})
    return entries


def _line(entry: Mapping[str, float]) -> str:
    """Return one line of strict JSON; floats keep all digits, so two logs can be compared exactly."""
    finite = {key: value if math.isfinite(value) else None for key, value in entry.items()}
    return json.dumps(finite, allow_nan=False)


class MetricsLog:
    """Append-only log of numbers that survives the death of the process at any moment.

    Args:
        path: the file, made with its folder if missing.
        last_step: entries of later steps are dropped before going on, so that the log of an interrupted and resumed
            run reads like that of an uninterrupted one; None keeps all, -1 starts anew.
    """

    def __init__(self, path: Path, last_step: int | None = None) -> None:
        self.path = path
        entries = [entry for entry in read_metrics(path) if last_step is None or entry[STEP] <= last_step]
        write_text(path, "".join(_line(entry) + "\n" for entry in entries))
        self._file = Appended(path)

    def append(self, values: Mapping[str, float], step: int) -> None:
        """Write one line with the step, the wall time (Unix seconds) and the values.

        Args:
            values: numbers by key.
            step: of the training.
        """
        numbers = {key: float(value) for key, value in values.items()}
        self._file.line(_line({STEP: step, TIME: round(time.time(), 3), **numbers}))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()
