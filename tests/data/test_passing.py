"""Batches of loader processes arrive whatever the size of /dev/shm, and a process that dies is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.errors import UserError
from data import loader as loaders
from data.dataset import CrackDataset
from data.loader import NO_ROOM, make_loader, require_workers
from data.passing import Collate, LoadedBatch, PackedBatch, batch_bytes, shared_room
from tests.helpers.photographs import Noise, assert_same, load
from tests.helpers.runs import ROOT

SIZE = 64  # KiB of a /dev/shm in which not one batch of the script below fits
SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import torch
from tests.helpers.photographs import Noise
from data import loader
from data.dataset import CrackDataset
dataset = CrackDataset(Noise(), 64, seed=7)
make = lambda workers: list(loader.make_loader(dataset, 4, 7, 0, 6, workers=workers))
if {late}:
    loader.shared_room = lambda: 2**40  # as if it filled up after it was looked at
for one, other in zip(make(0), make(2), strict=True):
    assert one.name == other.name and torch.equal(one.hr, other.hr) and torch.equal(one.distance, other.distance)
print("the same")
"""


def in_small_shm(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script where /dev/shm has ``SIZE`` KiB; skips where this may not be arranged."""
    small = f"mount -t tmpfs -o size={SIZE}k none /dev/shm"
    if sys.platform != "linux" or subprocess.run(["unshare", "-rm", "sh", "-c", small], capture_output=True).returncode:
        pytest.skip("a private /dev/shm is not permitted here")
    command = ["unshare", "-rm", "sh", "-c", f'{small} && exec "$0" -c "$1"', sys.executable, script]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("late", [False, True])
def test_batches_arrive_where_shared_memory_is_small(late: bool) -> None:
    outcome = in_small_shm(SCRIPT.format(root=str(ROOT), late=late))
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines() == [NO_ROOM, "the same"]


def test_room_is_compared_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bytes_of_one = sum(getattr(load(0)[0], field).nbytes for field in ("hr", "mask", "distance"))
    assert batch_bytes(24, 4, distance=True) == bytes_of_one
    assert batch_bytes(24, 4, distance=True, degraded=True) >= bytes_of_one + 4 * 4 * (3 * 24**2 // 4 + 11**2)
    shared, quiet = [], Collate(shared=True)
    for room in (10 * bytes_of_one - 1, 10 * bytes_of_one, None):  # four for each of two workers, two under way
        monkeypatch.setattr(loaders, "shared_room", lambda room=room: room)
        dataset = CrackDataset(Noise(), 24, seed=7)
        shared.append(make_loader(dataset, 4, 7, 0, 6, workers=2).collate_fn == quiet)
    assert shared == [False, True, True]
    dataset = CrackDataset(Noise(), 24, seed=7)
    monkeypatch.setattr(loaders, "shared_room", lambda: 10 * bytes_of_one)
    assert make_loader(dataset, 4, 7, 0, 6, workers=2, neighbours=2).collate_fn == Collate(shared=False)
    monkeypatch.setattr(loaders, "shared_room", lambda: 0)
    assert_same(load(0), load(1))
    assert capsys.readouterr().out.splitlines() == [NO_ROOM]
    load(1, rank=1, world=2)
    assert capsys.readouterr().out == ""


def test_a_packed_batch_is_the_batch() -> None:
    dataset = CrackDataset(Noise(), 24, seed=7)
    samples = [dataset[0, index] for index in range(3)]
    packed, shared = Collate(shared=False)(samples), Collate(shared=True)(samples)
    assert isinstance(packed, PackedBatch) and isinstance(shared, LoadedBatch)
    assert packed.pin_memory() is packed and not any(torch.is_tensor(value) for value in packed.fields.values())
    assert_same([packed.unpack()], [shared])
    assert shared.hr.is_shared() and shared.label is None


def test_the_room_there_is() -> None:
    room = shared_room()
    assert (room is None) == (not Path("/dev/shm").is_dir())
    assert room is None or room >= 0


class Deadly(Noise):
    """A source whose worker is killed, as one is when memory runs out."""

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().load(index)


def test_a_worker_that_is_killed_is_one_line() -> None:
    loader = make_loader(CrackDataset(Deadly(), 24, seed=7), 1, 7, 0, 6, workers=1)
    with pytest.raises(
        UserError, match=r"^DataLoader worker \(pid.*; if memory ran out, lower datasets.train.loader.workers"
    ):
        list(loader)


def test_the_word_of_a_killed_worker_is_known_wherever_it_arrives() -> None:
    require_workers(RuntimeError("shapes do not fit"))
    error = RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It may be that\nmemory ran out.")
    with pytest.raises(UserError, match="^DataLoader worker .pid 7. is killed by signal: Bus error. .*--auto_resume$"):
        require_workers(error)
