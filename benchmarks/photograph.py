"""How long a photograph takes and how much memory, as a user meets it: ``predict.py`` from start to end."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table
from data.synthetic.source import SyntheticSource
from visualization.drawing import save_png

EXPLANATION = """\
Drawn photographs of 448x448 px and 12 megapixels go through predict.py with the shipped weights, a process for each:
all of it, Python's start and writing files included. "itself" is what predict.py says of the photograph alone.

  python -m benchmarks.photograph
  python -m benchmarks.photograph --runtimes torch
"""
SIZES = {"448x448": (448, 1, 1), "4000x3000": (1000, 3, 4)}  # side of what is drawn, rows and columns of it
PREDICT = Path(__file__).resolve().parents[1] / "predict.py"
HEADING = ("photograph", "way", "runtime", "all of it / s", "itself / s", "most memory / GB")
WAYS = {
    "as it is": ("--restore", "never"),
    "restored": ("--restore", "always"),
    "restored, as a mosaic": ("--restore", "always", "--mosaic", "always"),
}


def drawn(side: int, rows: int, columns: int) -> np.ndarray:
    """A photograph uint8 [rows*side,columns*side,3] of drawn ones beside each other."""
    source = SyntheticSource(rows * columns, side, seed=3)
    parts = [source.load(index)[0] for index in range(rows * columns)]
    return np.concatenate(
        [np.concatenate(parts[row * columns : (row + 1) * columns], axis=1) for row in range(rows)], axis=0
    )


def measured(photograph: Path, way: Sequence[str], runtime: str, out: Path) -> tuple[float, float, float]:
    """Seconds in all, seconds of the photograph by itself, and GB of memory at most.

    Raises:
        UserError: with the last line of predict.py, where that fails.
    """
    log = out.with_suffix(".txt")
    command = [sys.executable, PREDICT, photograph, "--weights", "compact", "--runtime", runtime, *way, "-o", out]
    began = time.perf_counter()
    with log.open("w") as file:
        redirected = [(os.POSIX_SPAWN_DUP2, file.fileno(), stream) for stream in (1, 2)]
        process = os.posix_spawn(sys.executable, list(map(str, command)), os.environ, file_actions=redirected)
        _, status, used = os.wait4(process, 0)  # with the memory of this one process
    took, lines = time.perf_counter() - began, log.read_text().splitlines()
    if status:
        raise UserError(f"predict.py failed: {lines[-1] if lines else 'without a word'}")
    itself = re.search(r"([\d.]+) s ->", lines[-1])
    assert itself is not None, lines[-1]
    most = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return took, float(itself[1]), most / 1e9


def rows(runtimes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The cells of the table."""
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            photograph = Path(folder) / f"{name}.png"
            save_png(photograph, drawn(*size))
            for way, arguments in WAYS.items():
                if "mosaic" in way and size[1] == 1:
                    continue
                for runtime in runtimes:
                    out = Path(folder) / f"{name} {way} {runtime}"
                    seconds, itself, memory = measured(photograph, arguments, runtime, out)
                    yield name, way, runtime, f"{seconds:.1f}", f"{itself:.1f}", f"{memory:.2f}"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("benchmarks.photograph", __doc__, EXPLANATION)
    known = ("torch", "openvino")
    parser.add_argument("--runtimes", nargs="+", choices=known, default=known, help="of predict.py (unset: both)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    print(table(HEADING, rows(parse(arguments).runtimes)))


if __name__ == "__main__":
    run_main(main)
