"""PReLU with one slope against torch's own, and convolutions of parts against those of the whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers import convolve_concatenated
from models.prelu import BLOCK, RECOVERABLE, PReLU

SLOPES = [0.25, 0.01, 2 * RECOVERABLE, 0.5 * RECOVERABLE, 0.0, -0.3]


def values_and_gradients(activation: nn.Module, layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output and gradients through ``activation`` between two convolutions."""
    y = layer(activation(layer(x)))
    inputs = [x, activation.weight, *layer.parameters()]
    return [y, *torch.autograd.grad(y.square().sum(), inputs)]


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_prelu_is_torchs(slope: float, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 4, 3, padding=1).double().to(memory_format=layout)
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    ours, torchs = PReLU(slope).double(), nn.PReLU(init=slope).double()
    assert ours.state_dict().keys() == torchs.state_dict().keys()
    for found, expected in zip(*(values_and_gradients(one, layer, x) for one in (ours, torchs)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("slope", SLOPES)
def test_prelu_gradient_by_differences(slope: float) -> None:
    x = torch.linspace(-1, 1, 10, dtype=torch.float64).requires_grad_()
    weight = torch.full((1,), slope, dtype=torch.float64, requires_grad=True)
    prelu = PReLU()
    prelu.weight = nn.Parameter(weight)
    assert torch.autograd.gradcheck(lambda x: prelu(x * 1.0), (x,))
    by_hand = (2 * F.prelu(x, weight) * x.clamp(max=0)).sum()
    (found,) = torch.autograd.grad(prelu(x * 1.0).square().sum(), prelu.weight)
    torch.testing.assert_close(found, by_hand.detach().reshape(1), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("slope", "maps"), [(0.25, 2), (0.0, 3)])
def test_prelu_keeps_one_map_less(slope: float, maps: int) -> None:
    """What the backward pass of convolution, PReLU, convolution holds: the input, the output, and else one between."""
    layer, activation = nn.Conv2d(3, 3, 1), PReLU(slope)
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    kept: dict[int, int] = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.update({t.data_ptr(): t.numel()}) or t, lambda t: t):
        layer(activation(layer(x)))
    assert list(kept.values()).count(x.numel()) == maps


def test_prelu_without_gradients_leaves_its_input_alone() -> None:
    x = torch.randn(1, 2, 3, 3)
    before, prelu = x.clone(), PReLU()
    with torch.no_grad():
        assert torch.equal(prelu(x), F.prelu(before, prelu.weight))
    assert torch.equal(x, before)


def test_prelu_in_half_precision() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(4, 4, 3), torch.randn(1, 4, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = torch.autograd.grad((prelu := PReLU())(layer(x)).float().sum(), prelu.weight)
    expected = layer(x).clamp(max=0).sum()
    assert found.dtype == torch.float32 and found.item() == pytest.approx(expected.item(), rel=0.02)


@pytest.mark.parametrize("sizes", [(5,), (2, 3), (1, 2, 2)])
@pytest.mark.parametrize("geometry", [{"padding": 1}, {"stride": 2}, {"padding": 2, "dilation": 2, "bias": False}])
def test_convolution_of_parts_is_that_of_the_whole(sizes: tuple[int, ...], geometry: dict) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 3, 3, **geometry).double()
    parts = [torch.randn(2, size, 7, 6, dtype=torch.float64, requires_grad=True) for size in sizes]
    inputs = [*parts, *layer.parameters()]
    results = []
    for y in (convolve_concatenated(layer, parts), layer(torch.cat(parts, 1))):
        results.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_prelu_of_more_values_than_a_block_holds(layout: torch.memory_format) -> None:
    """Also where the gradient lies in memory in another order than the map."""
    torch.manual_seed(0)
    x = torch.randn(3, 8, 100, BLOCK // 2000).contiguous(memory_format=layout).requires_grad_()
    assert x.numel() > BLOCK and x.numel() % BLOCK
    given = torch.randn_like(x, memory_format=torch.contiguous_format)
    ours, torchs = PReLU(0.1), nn.PReLU(init=0.1)
    found, expected = (torch.autograd.grad(one(x * 1.0), (x, one.weight), given) for one in (ours, torchs))
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-2)


def test_prelu_in_bfloat16_sums_in_float32() -> None:
    """The slope's gradient of many equal values: sums in bfloat16 would stop growing at 256."""
    x = torch.full((1, 16, 64, 64), -1.0, dtype=torch.bfloat16, requires_grad=True)
    prelu = PReLU(0.25)
    (found,) = torch.autograd.grad(prelu(x * 1.0).sum(), prelu.weight)
    assert found.item() == pytest.approx(-16 * 64 * 64, rel=1e-2)
