"""DBPN, SrcNet and SegNet: sizes, order of features, initial weights, remembered maxima."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.seg.segnet import unpool
from models.sr import DBPN, SrcNet


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(
    "build",
    [
        lambda scale: DBPN(scale, stages=2, width=4, extractor_width=4),
        lambda scale: DBPN(scale, stages=10, width=2, extractor_width=4),
        lambda scale: SrcNet(scale, width=4, groups=1, blocks=1),
    ],
)
def test_every_scale(build, scale: int) -> None:
    network = build(scale)
    restored = network(torch.rand(2, 3, 3, 5))
    assert restored.sr.shape == (2, 3, 3 * scale, 5 * scale) and restored.kernel is None
    assert torch.cat(restored.features, 1).shape == (2, network.feature_channels, 3 * scale, 5 * scale)


def test_images_are_reconstructed_from_the_features() -> None:
    torch.manual_seed(0)
    lr = torch.rand(1, 3, 4, 5)
    for network in (DBPN(width=4, extractor_width=4), SrcNet(width=4, groups=1, blocks=1)):
        restored = network(lr)
        torch.testing.assert_close(restored.sr, network.output(torch.cat(restored.features, 1)))


def test_features_of_dbpn_are_newest_first() -> None:
    """The last part of the features is that of the first stage, which sees the extractor's features only."""
    torch.manual_seed(0)
    network, lr = DBPN(stages=3, width=4, extractor_width=4), torch.rand(1, 3, 4, 5)
    first = network.ups[0](network.extractor(lr))
    second = network.ups[1](network.downs[0](first))
    _, of_second, of_first = network(lr).features
    assert torch.equal(of_first, first) and torch.equal(of_second, second)


def test_initial_weights_are_kaiming_normal_with_slopes_of_a_quarter() -> None:
    torch.manual_seed(0)
    network = DBPN(stages=2, width=32)
    weight, transposed = network.extractor[1][0].weight, network.ups[0].enlarge[0].weight
    assert weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.03)
    assert transposed.std().item() == pytest.approx((2 / (32 * 64)) ** 0.5, rel=0.03)
    assert network.ups[0].enlarge[0].bias.abs().max() == 0
    slopes = [module.weight.item() for module in network.modules() if isinstance(module, nn.PReLU)]
    assert slopes == [0.25] * len(slopes) and len(slopes) == 2 + 3 * 3


def test_the_first_block_of_a_srcnet_group_learns_from_the_start() -> None:
    """PyTorch's initial weights leave it a gradient of some 1e-24 of the last block's."""
    torch.manual_seed(0)
    network = SrcNet(width=16, groups=2, blocks=20)
    network(torch.rand(1, 3, 8, 8)).sr.square().mean().backward()
    blocks = network.body.parts[0].parts
    first, last = (blocks[index].layers[0].weight.grad.abs().max().item() for index in (0, -1))
    assert first > 0.01 * last


def test_a_closed_gate_silences_a_srcnet_block() -> None:
    """The ReLU comes last: with negative biases the gate is exactly zero, which a sigmoid never is."""
    torch.manual_seed(0)
    block = SrcNet(width=4, groups=1, blocks=1).body.parts[0].parts[0]
    nn.init.constant_(block.gate[2].bias, -1)
    assert block(torch.rand(1, 4, 5, 6)).abs().max() == 0


def first_maxima(x: Tensor) -> Tensor:
    """Flat places of the maxima of 2x2 windows, first in row-major order, by looking at one pixel at a time."""
    batch, channels, height, width = x.shape
    places = torch.empty(batch, channels, height // 2, width // 2, dtype=torch.long)
    for index in torch.cartesian_prod(*(torch.arange(side) for side in places.shape)).tolist():
        sample, channel, row, column = index
        best = None
        for i in (2 * row, 2 * row + 1):
            for j in (2 * column, 2 * column + 1):
                if best is None or x[sample, channel, i, j] > x[sample, channel, best[0], best[1]]:
                    best = i, j
        places[tuple(index)] = best[0] * width + best[1]
    return places


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_first_of_equal_maxima_is_remembered(layout: torch.memory_format, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 3, (2, 16, 8, 12), generator=generator).to(dtype).contiguous(memory_format=layout)
    values, places = F.max_pool2d(x, 2, return_indices=True)
    expected = first_maxima(x)
    assert torch.equal(places, expected)
    assert torch.equal(unpool(values, places, (8, 12)), F.max_unpool2d(values, expected, 2))


def test_values_return_to_where_they_came_from() -> None:
    x = torch.tensor([[[[0.0, 0.0, 1.0, 5.0], [0.0, 0.0, 5.0, 2.0]]]])
    values, places = F.max_pool2d(x, 2, return_indices=True)
    returned = torch.tensor([[[[7.0, 0.0, 0.0, 9.0], [0.0, 0.0, 0.0, 0.0]]]])
    assert torch.equal(unpool(values + torch.tensor([7.0, 4.0]), places, (2, 4)), returned)
