"""How loader processes pass batches on: in shared memory where there is room for them, else through pipes.

A worker that finds no room in /dev/shm (64 MB in a container of Docker's) would lose its batch without a word, and the
training would wait for it for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.records import HRBatch
from data.dataset import Sample, collate

SHARED_MEMORY = Path("/dev/shm")  # of Linux; elsewhere there is nothing to compare with


class LoadedBatch(HRBatch):
    """An `HRBatch` that torch's DataLoader can move to page-locked memory."""

    def pin_memory(self) -> LoadedBatch:
        """Return the batch with its tensors in page-locked memory."""
        fields: dict[str, Any] = {
            name: value.pin_memory() if isinstance(value, torch.Tensor) else value for name, value in vars(self).items()
        }
        return LoadedBatch(**fields)


@dataclass(frozen=True)
class PackedBatch:
    """The fields of an `HRBatch` with arrays instead of tensors: what goes through a pipe as it is."""

    fields: dict[str, NDArray[np.float32] | tuple | None]

    def unpack(self) -> LoadedBatch:
        """The batch, its tensors over the memory of the arrays."""
        fields: dict[str, Any] = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in self.fields.items()
        }
        return LoadedBatch(**fields)

    def pin_memory(self) -> PackedBatch:
        """Itself: it is unpacked first."""
        return self


def collate_loaded(samples: Sequence[Sample]) -> LoadedBatch:
    """Stack samples into a batch that can be pinned, in the process that made them."""
    return LoadedBatch(**vars(collate(samples)))


@dataclass(frozen=True)
class Collate:
    """Stacks samples into a batch to be passed on.

    Attributes:
        shared: whether it goes through shared memory, as long as there is room.
        finish: what else is done to the batch in the loader process.
    """

    shared: bool = True
    finish: Callable[[HRBatch], HRBatch] | None = None

    def __call__(self, samples: Sequence[Sample]) -> LoadedBatch | PackedBatch:
        batch = collate(samples)
        fields: dict[str, Any] = vars(batch if self.finish is None else self.finish(batch))
        tensors = {name: value for name, value in fields.items() if isinstance(value, torch.Tensor)}
        if self.shared:
            try:
                for tensor in tensors.values():
                    tensor.share_memory_()
            except RuntimeError:  # no room: what was shared already goes with its tensor
                pass
            else:
                return LoadedBatch(**fields)
        return PackedBatch({**fields, **{name: tensor.numpy() for name, tensor in tensors.items()}})


def shared_room() -> int | None:
    """Bytes that are free in /dev/shm; None where there is no such place."""
    try:
        filesystem = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    return filesystem.f_bavail * filesystem.f_frsize


def batch_bytes(crop: int, samples: int, distance: bool, degraded: bool = False) -> int:
    """Bytes of a batch, in float32: three channels, mask and, if so, distance map.

    Args:
        crop: side of the crops, pixels.
        samples: their number.
        distance: whether they come with a distance map.
        degraded: adds as much again for the LR image and a kernel of usual size, which take less.
    """
    return samples * crop * crop * 4 * (5 if distance else 4) * (2 if degraded else 1)
