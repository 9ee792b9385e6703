"""Synchronised batch norm: two processes with half a batch each are one process with the whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from engine.train.sync_batchnorm import SyncBatchNorm2d, SyncBatchNormAct2d, synchronise

KINDS = ("plain", "activated")
CHANNELS, STEPS = 3, 3


def layer(kind: str) -> nn.Module:
    """A batch norm with uneven scales, shifts and settings, the same at every call."""
    torch.manual_seed(5)
    norm = nn.BatchNorm2d(CHANNELS, eps=1e-3, momentum=0.3)
    if kind == "activated":
        norm = BatchNormAct2d(CHANNELS, eps=1e-3, momentum=0.3, act_layer=nn.LeakyReLU)
    nn.init.normal_(norm.weight, 1.0, 0.5)
    nn.init.normal_(norm.bias)
    return norm.double()


def data(step: int) -> tuple[Tensor, Tensor]:
    """A batch of 4 and the weights of its outputs in the loss."""
    generator = torch.Generator().manual_seed(step)
    x, weights = torch.randn(2, 4, CHANNELS, 6, 5, generator=generator, dtype=torch.float64)
    return 3 * x + 1, weights


def run(norm: nn.Module, rows: slice) -> dict[str, Tensor]:
    """Train on ``rows`` of each batch, then evaluate; return all that should agree."""
    results: dict[str, Tensor] = {}
    for step in range(STEPS):
        x, weights = data(step)
        x = x[rows].requires_grad_()
        y = norm(x)
        norm.zero_grad()
        (y.square() * weights[rows]).sum().backward()
        results |= {f"y{step}": y.detach(), f"dx{step}": x.grad}
        results |= {f"dweight{step}": norm.weight.grad.clone(), f"dbias{step}": norm.bias.grad.clone()}
    norm.eval()
    return {**results, "evaluated": norm(data(9)[0]).detach(), **dict(norm.named_buffers())}


def half(rank: int, folder: str) -> None:
    """What each of the two processes does."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    for kind in KINDS:
        norm = nn.Sequential(layer(kind))
        synchronise(norm)
        torch.save(run(norm[0], slice(2 * rank, 2 * rank + 2)), f"{folder}/{kind}{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halves")
    multiprocessing.spawn(half, (str(folder),), nprocs=2)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_halves_are_one_batch(halves: Path, kind: str) -> None:
    whole = run(layer(kind), slice(0, 4))
    first, second = (torch.load(halves / f"{kind}{rank}.pt", weights_only=True) for rank in (0, 1))
    assert set(whole) == set(first)
    for key, expected in whole.items():
        if key.startswith(("y", "dx")):
            found = torch.cat([first[key], second[key]])
        elif key.startswith("d"):
            found = first[key] + second[key]  # each process holds its own part of the loss
        else:
            torch.testing.assert_close(first[key], second[key], rtol=0, atol=0)
            found = first[key]
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_synchronise_keeps_every_tensor_and_its_place() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Sequential(BatchNormAct2d(3)))
    before = {name: value.data_ptr() for name, value in network.state_dict(keep_vars=True).items()}
    synchronise(network)
    assert [type(layer) for layer in (network[1], network[2][0])] == [SyncBatchNorm2d, SyncBatchNormAct2d]
    assert {name: value.data_ptr() for name, value in network.state_dict(keep_vars=True).items()} == before


@pytest.mark.parametrize("kind", KINDS)
def test_alone_it_is_the_usual_batch_norm(kind: str) -> None:
    alone = nn.Sequential(layer(kind))
    synchronise(alone)
    usual, found = run(layer(kind), slice(0, 4)), run(alone[0], slice(0, 4))
    assert all(torch.equal(usual[key], found[key]) for key in usual)
