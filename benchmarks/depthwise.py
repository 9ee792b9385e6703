"""What float32 for depthwise convolutions brings to a bfloat16 training on CPUs."""

from __future__ import annotations

import copy

import torch
from torch import nn

from benchmarks.case import Case, Outputs
from engine.runtime.depthwise import depthwise_in_float32
from engine.runtime.layout import channels_last
from models.seg.fpn import FPN

LIMIT = 0.1  # of logits: bfloat16 keeps 8 bits, some sixty layers follow one another, and both sides round
TARGET = 1.2


def step(small: bool) -> Case:
    """Forward and backward of a pyramid on EfficientNet-Lite0 in bfloat16, with and without its depthwise layers."""
    batch, side = (2, 128) if small else (8, 128)
    torch.manual_seed(0)
    plain = channels_last(FPN(pretrained="none", width=48, full_resolution=True)).train()
    ours = copy.deepcopy(plain)
    depthwise_in_float32(ours)
    image = torch.rand(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    return Case(
        what=f"pyramid on EfficientNet-Lite0, forward and backward in bfloat16, {batch} x {side}x{side}",
        ours="depthwise layers in float32",
        alternative="depthwise layers in bfloat16",
        run_ours=lambda: _learn(ours, image),
        run_alternative=lambda: _learn(plain, image),
        limit=LIMIT,
        target=TARGET,
    )


def _learn(network: nn.Module, image: torch.Tensor) -> Outputs:
    network.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(image).logits
        logits.float().mean().backward()
    return {"logits": logits.detach().clone()}
