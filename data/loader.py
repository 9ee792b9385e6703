"""Which photographs form which training step, and the loader that brings them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from contracts.errors import UserError
from contracts.records import HRBatch
from data.dataset import CrackDataset
from data.passing import Collate, PackedBatch, batch_bytes, collate_loaded, shared_room
from data.transforms import keyed_bits

PREFETCHED = 4  # batches that each worker may be ahead
NO_ROOM = (
    "little room in /dev/shm: batches of the loader processes pass through pipes, which takes longer "
    "(in Docker: --shm-size=1g)"
)
WORKER_REPAIR = (
    "if memory ran out, lower datasets.train.loader.workers or datasets.train.loader.cache_mb; go on with --auto_resume"
)


@dataclass(eq=False)
class StepSampler(Sampler):
    """The (epoch, index) keys of each training step, without a state to save.

    Epoch e visits all ``length`` photographs in an order drawn from (seed, e); step t takes the
    positions t*B to (t+1)*B of all epochs laid end to end, with B = ``global_batch``. No batch is
    incomplete, a batch may reach into the next epoch (into several, if B exceeds ``length``), and a
    run begun at ``start_step`` goes on exactly as one that never stopped. Iterating yields a list of keys per step.

    Args:
        length: number of photographs.
        global_batch: samples per step, of all processes together.
        seed: of the order.
        start_step: the first step.
        total_steps: the step before which to end.
        rank: of this process, which gets its slice of B / ``world`` keys.
        world: number of processes.

    Raises:
        UserError: for an empty source or a batch that the processes cannot share evenly.
    """

    length: int
    global_batch: int
    seed: int
    start_step: int
    total_steps: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UserError("the training split holds no image: give a root or a split list that has some")
        if self.global_batch < 1 or self.global_batch % self.world:
            lower = max(1, self.global_batch // self.world) * self.world
            shared = f"batch size {self.global_batch} cannot be shared by {self.world} processes"
            raise UserError(f"{shared}; give a multiple, such as {lower}")
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank {self.rank} is not below the number of processes {self.world}")

    def __len__(self) -> int:
        return max(0, self.total_steps - self.start_step)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.start_step, self.total_steps):
            yield self.keys(step)

    def keys(self, step: int) -> list[tuple[int, int]]:
        """Return this rank's (epoch, index) keys of one step, counted from 0."""
        share = self.global_batch // self.world
        first = step * self.global_batch + self.rank * share
        positions = (divmod(position, self.length) for position in range(first, first + share))
        return [(epoch, int(epoch_order(self.length, self.seed, epoch)[position])) for epoch, position in positions]


@lru_cache(maxsize=4)
def epoch_order(length: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order [length] in which an epoch visits the photographs, drawn from (seed, epoch)."""
    order = np.argsort(keyed_bits("order", seed, epoch).random_raw(length), kind="stable")
    order.flags.writeable = False
    return order


class StepLoader(DataLoader):
    """A DataLoader that yields `HRBatch`, its mistakes in one line: those of users as they were raised in a worker,
    and that of a worker that was killed. ``quiet``: it does not tell that batches go through pipes.
    """

    quiet = False

    def __iter__(self) -> Iterator[HRBatch]:  # type: ignore[override]  # torch's names an iterator of its own
        noted = self.quiet
        try:
            for batch in super().__iter__():
                if isinstance(batch, PackedBatch):
                    if not noted:
                        noted = True
                        print(NO_ROOM, flush=True)
                    batch = batch.unpack().pin_memory() if self.pin_memory else batch.unpack()
                yield batch
        except UserError as error:
            message = str(error).rsplit(f"{type(error).__name__}: ", 1)[-1]  # behind the traceback of a loader process
            raise UserError(message.strip()) from None
        except RuntimeError as error:
            require_workers(error)
            raise


def require_workers(error: RuntimeError) -> None:
    """Raise UserError if ``error`` is torch's for a loader process that was killed, which may arrive at any time."""
    if str(error).startswith("DataLoader worker"):
        raise UserError(f"{' '.join(str(error).split()).rstrip('.')}; {WORKER_REPAIR}") from None


def make_loader(
    dataset: CrackDataset,
    global_batch: int,
    seed: int,
    start_step: int,
    total_steps: int,
    workers: int,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
    start_method: str | None = None,
    neighbours: int = 1,
    finish: Callable[[HRBatch], HRBatch] | None = None,
) -> StepLoader:
    """Return a loader that yields one `HRBatch` per step from ``start_step`` to ``total_steps``.

    The batches are the same for any number of workers and any start method. They come in shared memory if there is
    room for all that may wait in it.

    Args:
        dataset: the crops.
        global_batch: as in `StepSampler`, as are ``seed``, ``start_step``, ``total_steps``, ``rank`` and ``world``.
        seed: see above.
        start_step: see above.
        total_steps: see above.
        workers: number of loader processes; 0: load in this one.
        rank: see above.
        world: see above.
        pin_memory: whether batches are moved to page-locked memory.
        start_method: of the workers, "fork", "spawn", "forkserver"; None: Python's choice.
        neighbours: number of processes that train on this machine.
        finish: what workers do to each batch besides; what it adds is taken to be no larger than the batch.
    """
    sampler = StepSampler(len(dataset), global_batch, seed, start_step, total_steps, rank, world)
    room = shared_room()
    waiting = (PREFETCHED * workers + 2) * batch_bytes(
        dataset.crop, global_batch // world, dataset.distance, degraded=finish is not None
    )
    loader = StepLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=Collate(room is None or waiting * neighbours <= room, finish) if workers else collate_loaded,
        pin_memory=pin_memory,
        worker_init_fn=_init_worker if workers else None,
        prefetch_factor=PREFETCHED if workers else None,
        multiprocessing_context=start_method if workers else None,
    )
    loader.quiet = rank > 0
    return loader


def _init_worker(_worker: int) -> None:
    """One thread per worker: the workers are the parallelism. Ctrl-C is for the process that they work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
