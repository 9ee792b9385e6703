"""Whether the loader keeps up: a batch from a folder of JPEG files against the joint step that consumes it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import torch
from PIL import Image

from benchmarks.case import Case
from benchmarks.joint_step import COMPACT, SMALL_CHANGES, JointStep, load, ready_batch
from contracts.records import HRBatch
from data.folders import find_pairs
from data.loader import make_loader
from data.sources import FilePairs
from data.synthetic import SyntheticSource
from engine.build.data import build_dataset
from engine.options import Options

TARGET = 2.0
QUALITY = 95


def keep_up(small: bool) -> Case:
    """One batch loaded in this process, without cache, against one joint step of options/joint.yml on it.

    No worker processes: they would fill their queue while the other side is timed. The ratio is that of one
    worker with a core to itself; ``datasets.train.loader.workers`` of them multiply it.
    """
    options = load(COMPACT, SMALL_CHANGES if small else (), *((32, 2) if small else (None, None)))
    side, count = (64, 3) if small else (448, 16)
    batches = endless(options, jpeg_folder(side, count))
    train = options.datasets.train
    step, ready = JointStep(options, torch.device("cpu")), ready_batch(options)
    sizes = f"{train.loader.batch_size} crops {train.augmentation.crop}x{train.augmentation.crop}"
    return Case(
        what=f"images/s loaded and consumed, options/joint.yml, {sizes} of {side}x{side} JPEGs",
        ours="one loading process: decode, crop, distance map",
        alternative="joint step",
        run_ours=lambda: {"loaded": next(batches).hr},
        run_alternative=lambda: step(ready),
        limit=None,
        target=TARGET,
    )


def endless(options: Options, root: Path) -> Iterator[HRBatch]:
    """Training batches from the folder, epoch after epoch."""
    dataset = build_dataset(options, FilePairs(find_pairs(root)))
    batch = options.datasets.train.loader.batch_size
    loader = make_loader(
        dataset, global_batch=batch, seed=options.seed, start_step=0, total_steps=options.train.total_iter, workers=0
    )
    return chain.from_iterable(repeat(loader))


def jpeg_folder(side: int, count: int) -> Path:
    """A temporary folder of drawn photographs as images/*.jpg and masks/*.png, removed when the process ends."""
    root = Path(tempfile.mkdtemp(prefix="benchmark_jpegs_"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    source = SyntheticSource(count, size=side, seed=7)
    for name in ("images", "masks"):
        (root / name).mkdir()
    for index in range(count):
        image, mask = source.load(index)
        Image.fromarray(image).save(root / "images" / f"{index:03d}.jpg", quality=QUALITY)
        Image.fromarray(mask * 255).save(root / "masks" / f"{index:03d}.png")
    return root
