"""Independent work shared out between the processes of torchrun, and its results brought together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch.distributed as dist

Item = TypeVar("Item")


@dataclass(frozen=True)
class ProcessGroup:
    """One process's part: of a sequence, every ``world``-th item from the ``rank``-th on."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's items, in their order."""
        return items[self.rank :: self.world]

    def position(self, own: int) -> int:
        """Where the ``own``-th item of this process stands among all."""
        return self.rank + own * self.world

    def gather(self, own: Item) -> list[Item] | None:
        """What each process gave, in the order of ranks, in the first process; None in the others."""
        if self.world == 1:
            return [own]
        everyone: list | None = [None] * self.world if self.first else None
        dist.gather_object(own, everyone)
        return everyone

    def from_first(self, own: Item) -> Item:
        """What the first process gives, in all of them."""
        given = [own]
        if self.world > 1:
            dist.broadcast_object_list(given)
        return given[0]

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.world > 1:
            dist.barrier()


def everyones(own: Item, world: int) -> list[Item]:
    """What each training process gives, in the order of ranks, in all of them.

    Args:
        own: what this process gives.
        world: number of processes.
    """
    states = [own] * world
    if world > 1:
        dist.all_gather_object(states, own)
    return states


ALONE = ProcessGroup()
PATIENCE = timedelta(days=30)  # one process may have finished its part long before another


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """The share of this process: as torchrun's environment says, else all the work."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
