"""The order of training: no incomplete batch, no state, the same for any number of workers or processes."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UserError
from contracts.records import HRBatch, to_device
from data.dataset import CrackDataset
from data.decode import Unreadable
from data.loader import StepSampler, epoch_order, make_loader
from data.passing import LoadedBatch
from tests.helpers.photographs import Noise, assert_same, load

lengths, batches, seeds = st.integers(1, 40), st.integers(1, 24), st.integers(0, 1000)


@given(lengths, seeds, st.integers(0, 50))
def test_epoch_order_is_a_permutation(length: int, seed: int, epoch: int) -> None:
    assert sorted(epoch_order(length, seed, epoch)) == list(range(length))


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(3) for epoch in range(5)}
    assert len(orders) == 15


@settings(deadline=None)
@given(lengths, batches, seeds)
def test_steps_lay_epochs_end_to_end(length: int, batch: int, seed: int) -> None:
    steps = list(StepSampler(length, batch, seed, 0, 12))
    assert [len(keys) for keys in steps] == [batch] * 12
    keys = [key for step in steps for key in step]
    epochs = range(len(keys) // length + 1)
    expected = [(epoch, int(index)) for epoch in epochs for index in epoch_order(length, seed, epoch)]
    assert keys == expected[: len(keys)]
    per_epoch = Counter(epoch for epoch, _ in keys)
    assert all(count == length for count in list(per_epoch.values())[:-1])


@given(lengths, batches, seeds, st.integers(0, 20))
def test_restart_goes_on_exactly(length: int, batch: int, seed: int, start: int) -> None:
    whole = list(StepSampler(length, batch, seed, 0, 20))
    rest = StepSampler(length, batch, seed, start, 20)
    assert list(rest) == whole[start:]
    assert len(rest) == 20 - start


@given(lengths, st.integers(1, 6), st.integers(1, 4), seeds)
def test_processes_share_each_step(length: int, share: int, world: int, seed: int) -> None:
    whole = list(StepSampler(length, share * world, seed, 3, 9))
    parts = [list(StepSampler(length, share * world, seed, 3, 9, rank, world)) for rank in range(world)]
    assert [sum(step, []) for step in zip(*parts, strict=True)] == whole


def test_bad_batches() -> None:
    with pytest.raises(UserError, match=r"batch size 6 .* 4 processes.*such as 4"):
        StepSampler(10, 6, 0, 0, 5, 0, 4)
    with pytest.raises(UserError, match="such as 4"):
        StepSampler(10, 2, 0, 0, 5, 0, 4)
    with pytest.raises(UserError, match="no image"):
        StepSampler(0, 6, 0, 0, 5)
    with pytest.raises(ValueError, match="rank"):
        StepSampler(10, 6, 0, 0, 5, rank=2, world=2)


def test_any_number_of_workers() -> None:
    alone = load(0)
    assert len(alone) == 6
    assert isinstance(alone[0], HRBatch)
    assert_same(alone, load(2))


def test_spawned_workers_can_be_handed_everything() -> None:
    loader = make_loader(CrackDataset(Noise(), 24, seed=7), 4, 7, 0, 6, workers=2, start_method="spawn")
    parts = loader.dataset, loader.collate_fn, loader.worker_init_fn
    dataset, collate, _ = pickle.loads(pickle.dumps(parts))
    assert torch.equal(collate([dataset[1, 2]]).hr, collate([loader.dataset[1, 2]]).hr)


def test_order_is_the_same_everywhere() -> None:
    assert epoch_order(8, seed=0, epoch=0).tolist() == [4, 2, 5, 1, 6, 3, 0, 7]


class Damaged(Noise):
    """A source with files that cannot be read any more."""

    def __init__(self, error: Callable[[str], UserError]) -> None:
        self.error = error

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        raise self.error(f"{index}.jpg")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "error",
    [
        lambda name: UserError(f"cannot read image '{name}': truncated; replace or remove this file"),
        lambda name: Unreadable.because(Path(name), "truncated"),
    ],
    ids=["any", "unreadable"],
)
def test_user_errors_stay_one_line(workers: int, error: Callable[[str], UserError]) -> None:
    loader = make_loader(CrackDataset(Damaged(error), 24, seed=7), 1, 7, 0, 6, workers)
    with pytest.raises(UserError, match=r"^cannot read image '\d.jpg': truncated; replace.*file$"):
        list(loader)


def test_restart_and_ranks_give_the_same_pixels() -> None:
    alone = load(0)
    assert_same(alone[4:], load(0, start=4))
    halves = zip(load(0, rank=0, world=2), load(0, rank=1, world=2), strict=True)
    for whole, (first, second) in zip(alone, halves, strict=True):
        assert torch.equal(whole.hr, torch.cat([first.hr, second.hr]))
        assert whole.name == first.name + second.name


def test_batches_can_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    batch = load(0)[0]
    assert isinstance(batch, LoadedBatch)
    assert_same([batch], [batch.pin_memory()])
    assert_same([batch], [to_device(batch, torch.device("cpu"))])
