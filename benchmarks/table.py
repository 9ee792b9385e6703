"""Results as rows: the printed table, and the JSON file that is only ever written over one of its kind."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from contracts.errors import UserError
from contracts.files import write_text
from contracts.markdown import table as markdown_table

FORMAT = "benchmarks/1"


@dataclass(frozen=True)
class Row:
    """One benchmark's result.

    Args:
        name: of the benchmark.
        what: see ``case.Case``, as ``ours``, ``alternative``, ``target`` and ``limit``.
        seconds_ours: median of a run.
        seconds_alternative: median of a run.
        ratio: median seconds of the alternative over ours; above 1 ours is faster.
        difference: largest relative one, None where the sides do different work.
        rounding: see ``case.Difference``.
        peak_ours: MiB beyond the inputs.
        peak_alternative: MiB beyond the inputs.
        operations_ours: floating-point operations of convolutions and matrix products.
        operations_alternative: the same of the alternative.
    """

    name: str
    what: str
    ours: str
    alternative: str
    seconds_ours: float
    seconds_alternative: float
    ratio: float
    target: float
    difference: float | None
    rounding: tuple[float, float] | None
    limit: float | None
    peak_ours: float
    peak_alternative: float
    operations_ours: int
    operations_alternative: int

    @property
    def within(self) -> bool:
        """Whether the difference keeps its limit, if it has one; what is not a number does not."""
        return self.difference is None or self.limit is None or self.difference <= self.limit


@dataclass(frozen=True)
class Machine:
    """Where it was measured.

    Args:
        processor: its name.
        cores: of the machine.
        threads: that torch uses.
        python: version, as those of torch and opencv.
        matmul: operations/s of a float32 matrix product, or None.
        copy: bytes/s read and written by a copy, or None.
    """

    processor: str
    cores: int
    threads: int
    python: str
    torch: str
    opencv: str
    matmul: float | None
    copy: float | None

    def __str__(self) -> str:
        name = f"{self.processor}, {self.threads} of {self.cores} cores, torch {self.torch}"
        if self.matmul is None or self.copy is None:
            return name
        return f"{name}; float32 matmul {self.matmul / 1e9:.0f} GFLOP/s, copy {self.copy / 1e9:.1f} GB/s"


def describe_machine(matmul: float | None = None, copy: float | None = None) -> Machine:
    """This machine as torch and OpenCV use it.

    Args:
        matmul: operations/s of a float32 matrix product, None: not measured.
        copy: bytes/s read and written by a copy, None: not measured.
    """
    return Machine(
        processor(),
        os.cpu_count() or 1,
        torch.get_num_threads(),
        platform.python_version(),
        torch.__version__,
        cv2.__version__,
        matmul,
        copy,
    )


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def markdown(rows: Sequence[Row], machine: Machine) -> str:
    """The table of ratios, the table of counted work, and the machine.

    Args:
        rows: results.
        machine: where they were measured, with its rates.
    """
    ratios = markdown_table(
        (
            "what",
            "ours",
            "alternative",
            "ratio of medians (target)",
            "largest relative difference (limit)",
            "peak memory beyond inputs, ours / alternative, MiB",
        ),
        map(_cells, rows),
    )
    work = markdown_table(
        ("what", "counted, ours / alternative, GFLOP", "rate of ours, GFLOP/s", "share of matmul"),
        [_cells_of_work(row, machine) for row in rows if row.operations_ours],
    )
    return f"{ratios}\n\n{work}\n\nMachine: {machine}"


def _cells(row: Row) -> tuple[str, ...]:
    difference = "different work" if row.difference is None else f"{row.difference:.1e} ({row.limit:.0e})"
    if row.rounding is not None:
        difference += " in float64; float32 rounds by {:.1e} / {:.1e}".format(*row.rounding)
    ours, alternative = milliseconds(row.seconds_ours), milliseconds(row.seconds_alternative)
    sides, ratio = (f"{row.ours}: {ours}", f"{row.alternative}: {alternative}"), f"{row.ratio:.2f} ({row.target:g})"
    return (row.what, *sides, ratio, difference, f"{row.peak_ours:.0f} / {row.peak_alternative:.0f}")


def _cells_of_work(row: Row, machine: Machine) -> tuple[str, ...]:
    assert machine.matmul is not None
    rate = row.operations_ours / row.seconds_ours
    counted = f"{row.operations_ours / 1e9:.2f} / {row.operations_alternative / 1e9:.2f}"
    return row.what, counted, f"{rate / 1e9:.1f}", f"{rate / machine.matmul:.0%}"


def milliseconds(seconds: float) -> str:
    """Three digits that count, or all before the point."""
    value = 1e3 * seconds
    return f"{value:.0f} ms" if value >= 100 else f"{value:#.3g} ms"


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write what was measured, all or nothing; ``check_target`` first.

    Args:
        path: of the JSON file.
        content: what was measured.
    """
    write_text(path, json.dumps({"format": FORMAT, **content}, indent=1) + "\n")


def check_target(path: Path) -> None:
    """Raise UserError if there is something at ``path`` that is not a file of ours, before anything is measured."""
    if not path.exists():
        return
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("format")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind != FORMAT:
        raise UserError(f"{path} exists and holds no benchmark results; give another file with --out, or move it away")
