"""KBPN against its dense formulation, the yardstick of the benchmarks: the same numbers in both precisions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.case import largest_difference
from benchmarks.ceiling import counted
from benchmarks.dense_kbpn import DenseKBPN
from benchmarks.kbpn import grouped
from models.sr.kbpn import KBPN

SIZES = {"stages": 3, "width": 6, "kernel_side": 9, "estimated_side": 5, "corrector_width": 4}


def outputs(network: torch.nn.Module, parameters: dict[str, Tensor], lr: Tensor, kernel: Tensor | None) -> dict:
    """Image, kernel, features and all gradients of a loss that looks at all three."""
    restored = network(lr, kernel)
    features = torch.cat(restored.features, 1)
    loss = restored.sr.square().mean() + restored.kernel.square().sum() + features.square().mean()
    inputs = [lr, *parameters.values()]
    gradients = torch.autograd.grad(loss, inputs, allow_unused=kernel is not None)
    named = {
        name: gradient for name, gradient in zip(["lr", *parameters], gradients, strict=True) if gradient is not None
    }
    return {"sr": restored.sr, "kernel": restored.kernel, "features": features, **grouped(named)}


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("modulation_width", [None, 5])
@pytest.mark.parametrize("size", [(2, 2), (7, 5)])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_outputs_and_gradients_are_the_same(
    dtype: torch.dtype, limit: float, size: tuple[int, int], modulation_width: int | None, given: bool
) -> None:
    torch.manual_seed(0)
    sizes = {**SIZES, "modulation_width": modulation_width, "correction_gain": 0.1, "minimum_sum": 0.0}
    network = KBPN(**sizes).to(dtype)
    lr = torch.rand(2, 3, *size, dtype=dtype, requires_grad=True)
    kernel = torch.rand(2, 1, 9, 9, dtype=dtype) if given else None
    parameters = dict(network.named_parameters())
    ours, dense = (outputs(one, parameters, lr, kernel) for one in (network, DenseKBPN(network)))
    assert len(ours) > 20
    assert largest_difference(ours, dense) < limit


def test_paper_width_of_the_kernel_in_single_precision() -> None:
    """The released 441 taps from 49 estimated ones."""
    torch.manual_seed(1)
    network = KBPN(stages=2, width=8, corrector_width=4, correction_gain=0.1, minimum_sum=0.0)
    lr = torch.rand(1, 3, 6, 6, requires_grad=True)
    parameters = dict(network.named_parameters())
    ours, dense = (outputs(one, parameters, lr, None) for one in (network, DenseKBPN(network)))
    assert largest_difference(ours, dense) < 1e-5


def test_the_yardstick_does_more_work() -> None:
    network = KBPN(**SIZES)
    lr = torch.rand(1, 3, 8, 8)
    dense = DenseKBPN(network)
    assert counted(lambda: dense(lr))[1] > 1.5 * counted(lambda: network(lr))[1] > 0
