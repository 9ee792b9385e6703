"""Memory and time of an orthomosaic of gigapixels: ``python -m benchmarks.mosaic``."""

from __future__ import annotations

import argparse
import math
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.darkness import BRIGHT, DARK, Darkness, source_of
from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table
from contracts.paths import user_path
from engine.mosaic.geotiff import gdal, opened, require_packages
from engine.mosaic.rasters import blocks
from engine.mosaic.run import Run
from engine.predict.plan import Settings
from engine.predict.source import find_source
from engine.runtime.distributed import ALONE
from engine.runtime.progress import Progress

EXPLANATION = """\
A square mosaic (JPEG in tiles, 5 mm a pixel, a rim that shows nothing) is drawn with a crack for every four megapixels
and eight that run through all of it. A stand-in that takes dark for crack is looked at with, or a network.

  python -m benchmarks.mosaic                                4 gigapixels with the stand-in: needs 4 GB of disk
  python -m benchmarks.mosaic --gigapixels 0.1 --weights compact
"""
MIB = 2**20
RIM = 0.04  # of the side, without pixels
FROM_SIDE = 3  # px, least width of cracks
SHIFT = 3  # bits of a pixel's fractions that OpenCV draws with
STATUS = Path("/proc/self/status")


@dataclass
class Memory:
    """resident: MiB of this process, with the libraries' files; private: without these."""

    resident: float = 0.0
    private: float = 0.0


class Watch:
    """The highest memory of this process while a block of code runs, looked at ten times a second."""

    def __init__(self) -> None:
        self.highest, self.seconds = Memory(), 0.0
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        self._began = time.perf_counter()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = time.perf_counter() - self._began

    def _look(self) -> None:
        while True:
            now = memory()
            self.highest.resident = max(self.highest.resident, now.resident)
            self.highest.private = max(self.highest.private, now.private)
            if self._over.wait(0.1):
                return


def memory() -> Memory:
    """That of this process now. Raises UserError where the system does not tell."""
    if not STATUS.exists():
        raise UserError(f"no {STATUS}: memory is measured on Linux alone")
    lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines())
    resident, private = (int(lines[key].split()[0]) * 1024 / MIB for key in ("VmRSS", "RssAnon"))
    return Memory(resident, private)


def draw(path: Path, side: int, seed: int = 0) -> None:
    """Write a mosaic of side x side pixels, block by block."""
    import rasterio
    from rasterio.transform import from_origin

    random = np.random.default_rng(seed)
    lines = [_walk(random, side, 400, random.uniform(0, side, 2)) for _ in range(side * side // 4_000_000)]
    lines += [_walk(random, side, side, np.array([side * (0.1 + 0.1 * number), 0.0])) for number in range(8)]
    boxes = np.array([[*line.min(0), *line.max(0)] for line in lines])
    grain = random.normal(0, 4, (1200, 1200)).astype(np.float32)
    rim = int(RIM * side)
    shape = {"width": side, "height": side, "count": 3, "dtype": "uint8", "nodata": 0}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "jpeg", "photometric": "ycbcr"}
    more = {"sparse_ok": True, "bigtiff": "yes", "crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 0.005, 0.005)}
    windows = list(blocks(side, side))
    file = rasterio.open(path, "w", driver="GTiff", **shape, **layout, **more)
    with file, Progress(len(windows), "drawing") as bar:
        for rows, columns in windows:
            bar.update()
            if rows[1] <= rim or columns[1] <= rim or rows[0] >= side - rim or columns[0] >= side - rim:
                continue
            low, high = np.array([columns[0], rows[0]]) - 20, np.array([columns[1], rows[1]]) + 20
            near = np.flatnonzero((boxes[:, :2] < high).all(1) & (boxes[:, 2:] > low).all(1))
            block = np.full((rows[1] - rows[0], columns[1] - columns[0]), BRIGHT, np.uint8)
            for number in near:
                points = np.rint((lines[number] - [columns[0], rows[0]]) * 2**SHIFT).astype(np.int32)
                cv2.polylines(block, [points], False, DARK, FROM_SIDE + int(number) % 5, cv2.LINE_AA, SHIFT)
            top, left = random.integers(0, 170, 2)
            speckled = np.clip(block + grain[top : top + block.shape[0], left : left + block.shape[1]], 1, 255)
            file.write(np.repeat(speckled.astype(np.uint8)[None], 3, 0), window=(rows, columns))


def _walk(random: np.random.Generator, side: int, length: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """A crooked line: its corners x, y [N,2]."""
    count = max(2, int(length / 40))
    direction = random.uniform(0.3, 1.2) + np.cumsum(random.normal(0, 0.15, count))
    steps = 40 * np.stack([np.cos(direction), np.sin(direction)], 1)
    steps = np.abs(steps) if length == side else steps
    return np.concatenate([start[None], start + np.cumsum(steps, 0)])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for a size that cannot be drawn."""
    parser = module_parser("benchmarks.mosaic", __doc__, EXPLANATION)
    add = parser.add_argument
    add("--gigapixels", type=float, default=4.0, metavar="N", help="size of the mosaic (unset: 4)")
    add("--weights", metavar="FILE", help="look with a network, as predict.py does (unset: a stand-in)")
    add("--tile", type=int, default=256, metavar="PX", help="as of predict.py (unset: 256)")
    add("--restore", choices=("always", "never"), default="never", help="as of predict.py (unset: never)")
    add("--folder", type=user_path, default=Path("results/mosaic_benchmark"), metavar="DIR", help="must not exist")
    add("--keep", action="store_true", help="keep the mosaic and its results")
    args = parser.parse_args(arguments)
    if not 0.001 <= args.gigapixels <= 100:
        raise UserError(f"--gigapixels {args.gigapixels:g}: give a number from 0.001 to 100")
    if args.folder.exists():
        raise UserError(f"--folder {args.folder} exists; give another, or remove it")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    require_packages()
    args.folder.mkdir(parents=True)
    try:
        path, side = args.folder / "mosaic.tif", round(math.sqrt(args.gigapixels * 1e9))
        source = source_of(Darkness()) if args.weights is None else find_source(None, args.weights)
        before, rows = memory(), []
        with gdal():
            with Watch() as drawing:
                draw(path, side)
            with opened(path) as mosaic:
                settings = Settings(out=args.folder, restore=args.restore, tile=args.tile)
                run = Run(mosaic, settings, False, source, ALONE)
                with Watch() as tiles:
                    grid = run.find()
                with Watch() as writing:
                    told = run.write(grid, {})
        for name, watch in (("drawing it", drawing), ("tiles", tiles), ("results", writing)):
            seconds = f"{watch.seconds:.0f}", f"{1000 * watch.seconds / (side * side / 1e6):.0f}"
            rows.append((name, *seconds, f"{watch.highest.resident:.0f}", f"{watch.highest.private:.0f}"))
        print(f"{side}x{side} pixels, {source.description}; {path.stat().st_size / 1e9:.2f} GB")
        print(f"{told.cracks} cracks, {told.length.value / 1e6:.3f} million px long; {told.split} split")
        print(f"before: {before.resident:.0f} MiB resident, {before.private:.0f} MiB of it private (libraries)")
        heading = ("work", "s", "ms/megapixel", "peak resident / MiB", "of it private / MiB")
        print(table(heading, rows))
    finally:
        if not args.keep:
            shutil.rmtree(args.folder)


if __name__ == "__main__":
    run_main(main)
