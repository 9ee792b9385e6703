"""Photographs and sources of them, made for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from contracts.records import HRBatch
from data.dataset import CrackDataset
from data.loader import make_loader
from data.synthetic import SyntheticSource


class Coordinates:
    """Images that hold their own row and column, and whose mask is a function of the image."""

    def __init__(self, sizes: list[tuple[int, int]]) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def name(self, index: int) -> str:
        return f"coordinates_{index}"

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return picture(*self.sizes[index])


class Noise:
    """A source of noise images; at the top of a module, so that spawned workers can import it."""

    def __len__(self) -> int:
        return 5

    def name(self, index: int) -> str:
        return f"noise_{index}"

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = np.random.default_rng(index).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        return image, (image[:, :, 0] > 200).astype(np.uint8)


def assert_same(first: list[HRBatch], second: list[HRBatch]) -> None:
    for one, other in zip(first, second, strict=True):
        assert (one.name, one.epoch) == (other.name, other.epoch)
        for field in ("hr", "mask", "distance"):
            assert torch.equal(getattr(one, field), getattr(other, field))


def load(workers: int, start: int = 0, **options: object) -> list[HRBatch]:
    dataset = CrackDataset(Noise(), 24, seed=7, rotate=True, photometric=0.2, crack_crop_probability=0.5)
    return list(make_loader(dataset, 4, seed=7, start_step=start, total_steps=6, workers=workers, **options))


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A drawn photograph whose light falls from left to right."""
    image = SyntheticSource(1, size=max(height, width, 32), seed=seed).load(0)[0][:height, :width]
    return (image * np.linspace(0.3, 1, width)[:, None]).astype(np.uint8)


def save(folder: Path, name: str, size: tuple[int, int] = (24, 32), **more: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(*size)).save(folder / name, **more)
    return folder / name


def picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows, columns, rows + columns], axis=2).astype(np.uint8)
    return image, mask_of(image)


def mask_of(image: np.ndarray) -> np.ndarray:
    return (image[:, :, 2] % 5 == 0).astype(np.uint8)
