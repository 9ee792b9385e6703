"""Depthwise convolutions of a bfloat16 training compute in float32; all else stays as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from engine.runtime.depthwise import depthwise_in_float32
from models.seg.fpn import FPN


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 5, padding=2, stride=2, groups=8), nn.Conv2d(8, 4, 3, groups=4)
    )


@pytest.mark.parametrize("autocast", [True, False])
def test_only_depthwise_layers_change_and_only_under_autocast(autocast: bool) -> None:
    plain, x = layers(), torch.rand(2, 3, 16, 16)
    changed = copy.deepcopy(plain)
    depthwise_in_float32(changed)
    assert changed.state_dict().keys() == plain.state_dict().keys()
    assert [type(layer) is nn.Conv2d for layer in changed] == [True, False, True]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        narrow = plain[0](x)
        wide = changed[1](narrow)
        other, same = plain[1](narrow), changed(x)
    assert wide.dtype == other.dtype == narrow.dtype == (torch.bfloat16 if autocast else torch.float32)
    exact = plain[1](narrow.float())  # in float32
    assert torch.equal(wide, exact.to(wide.dtype))  # rounded once, at the end
    assert same.shape == plain(x).shape and torch.isfinite(same).all()


def test_gradients_are_nearer_to_those_of_float32() -> None:
    """Of a whole encoder in float64, which neither way reaches."""
    torch.manual_seed(1)
    plain = FPN(pretrained="none", width=8).eval()
    changed, exact = copy.deepcopy(plain), copy.deepcopy(plain).double()
    depthwise_in_float32(changed)
    x = torch.rand(2, 3, 64, 64)

    def gradients(network: nn.Module, autocast: bool) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            network(x if autocast else x.double()).logits.double().square().mean().backward()
        kinds = [m for m in network.modules() if isinstance(m, nn.Conv2d) and 1 < m.in_channels == m.groups]
        return torch.cat([layer.weight.grad.double().flatten() for layer in kinds])

    target = gradients(exact, autocast=False)
    errors = [(gradients(network, autocast=True) - target).norm() / target.norm() for network in (changed, plain)]
    assert errors[0] < errors[1] < 0.5


def test_copies_and_second_calls_are_of_the_same_kind() -> None:
    changed = layers()
    depthwise_in_float32(changed)
    kind = type(changed[1])
    depthwise_in_float32(copy.deepcopy(changed))
    other = layers()
    depthwise_in_float32(other)
    assert type(other[1]) is kind and kind.__name__ == "Conv2d" and type(copy.deepcopy(changed)[1]) is kind
