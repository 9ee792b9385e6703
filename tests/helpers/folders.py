"""Folders: photographs written to them, what they hold, and disks that are full."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image


def write_photographs(root: Path, sizes: dict[str, tuple[int, int]], crack: bool = True) -> Path:
    """Write ``root``/images and ``root``/masks, a pair of the given (height, width) for each stem."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for stem, (height, width) in sizes.items():
        image = rng.integers(90, 170, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        if crack:
            mask[height // 2 : height // 2 + 3] = 255
            image[mask > 0] = 30
        Image.fromarray(image).save(root / "images" / f"{stem}.png")
        Image.fromarray(mask).save(root / "masks" / f"{stem}.png")
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change_config(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """A disk on which no file can grow over ``size`` bytes: the system refuses the write, as a full one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
