"""KBPN forward and backward against the dense formulation with the same weights.

Timed in float32, laid out channels last as training does; compared in float64. In float32 neither side's gradients are
exact to the limit: a pre-activation that rounding lifts over zero changes its PReLU's slope from 0.01 to 1.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.case import Case, Outputs
from benchmarks.dense_kbpn import DenseKBPN
from benchmarks.joint_step import COMPACT
from contracts.records import Restored
from engine.options.arguments import parameters_of
from engine.options.load import load_options
from engine.runtime.layout import channels_last
from models.checkpointing import checkpoint_gradients
from models.sr.kbpn import KBPN

LIMIT, TARGET, CHECKPOINTING_TARGET = 1e-5, 1.6, 0.7
FULL_SIDE, REDUCED_SIDE, SMALL_SIDE = 56, 32, 8  # of the LR image
DENSE_NEEDS = 12 * 2**30  # bytes of memory that a machine should have for the dense formulation at FULL_SIDE
SMALL_SIZES: dict[str, Any] = {"stages": 2, "width": 8, "corrector_width": 4}
CORRECTION_GAIN = 0.1  # initial corrections small beside the kernel, as after some training


def paper(small: bool) -> Case:
    """Released size, 4 stages of width 128, on one image."""
    side = SMALL_SIDE if small else paper_side()
    return compare(SMALL_SIZES if small else {}, 1, side, "paper size")


def compact(small: bool) -> Case:
    """The size in options/joint.yml, on a batch and a crop of its training."""
    options = load_options(COMPACT)
    known = parameters_of(KBPN)
    assert options.network_sr is not None
    sizes = {name: value for name, value in options.network_sr.arguments().items() if name in known}
    train = options.datasets.train
    side = SMALL_SIDE if small else train.augmentation.crop // options.scale
    return compare(sizes, 2 if small else train.loader.batch_size, side, "options/joint.yml")


def gradient_checkpointing(small: bool) -> Case:
    """Released size with maps made again in the backward pass (train.gradient_checkpointing), against keeping them."""
    torch.manual_seed(0)
    network = channels_last(KBPN(**(SMALL_SIZES if small else {}), correction_gain=CORRECTION_GAIN))
    saving = copy.deepcopy(network)
    checkpoint_gradients(saving)
    side = SMALL_SIDE if small else FULL_SIDE
    lr, weight = (
        torch.rand(1, 3, length, length).contiguous(memory_format=torch.channels_last)
        for length in (side, side * network.scale)
    )
    return Case(
        what=f"KBPN forward and backward (paper size), 1 x LR {side}x{side}, float32",
        ours="train.gradient_checkpointing: maps of a stage made again",
        alternative="all maps kept",
        run_ours=gradients_of(saving, saving, lr, weight),
        run_alternative=gradients_of(network, network, lr, weight),
        limit=LIMIT,
        target=CHECKPOINTING_TARGET,
    )


def paper_side() -> int:
    """The paper's LR side, or a smaller one where the dense formulation would not fit into memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return FULL_SIDE if memory >= DENSE_NEEDS else REDUCED_SIDE


def compare(sizes: dict[str, Any], batch: int, side: int, label: str) -> Case:
    """Both formulations with the same random weights on noise [batch,3,side,side].

    Args:
        sizes: arguments of ``KBPN``.
        batch: number of images.
        side: of the LR images in pixels.
        label: of these sizes, in the table.
    """
    torch.manual_seed(0)
    network = KBPN(**{**sizes, "correction_gain": CORRECTION_GAIN, "output_gain": 1.0, "minimum_sum": 0.0})
    lr = torch.rand(batch, 3, side, side)
    weight = torch.rand(batch, 3, side * network.scale, side * network.scale)
    run_ours, run_alternative = both_ways(network, lr, weight)

    def run_exactly() -> tuple[Outputs, Outputs]:
        ours, dense = both_ways(network, lr, weight, torch.float64)
        return ours(), dense()

    stages = f"{len(network.stages)} stages, width {network.feature_channels // len(network.stages)}"
    return Case(
        what=f"KBPN forward and backward ({label}: {stages}), {batch} x LR {side}x{side}, float32",
        ours="constant kernel maps by border tables",
        alternative="dense 441-channel kernel maps",
        run_ours=run_ours,
        run_alternative=run_alternative,
        limit=LIMIT,
        target=TARGET,
        run_exactly=run_exactly,
    )


def both_ways(
    network: KBPN, lr: Tensor, weight: Tensor, dtype: torch.dtype = torch.float32
) -> tuple[Callable[[], Outputs], Callable[[], Outputs]]:
    """Our formulation and the dense one on a copy of the network and its inputs in another precision."""
    own = channels_last(copy.deepcopy(network).to(dtype))
    lr, weight = (tensor.to(dtype).contiguous(memory_format=torch.channels_last) for tensor in (lr, weight))
    return gradients_of(own, own, lr, weight), gradients_of(DenseKBPN(own), own, lr, weight)


def gradients_of(
    run: Callable[[Tensor], Restored], network: nn.Module, lr: Tensor, weight: Tensor
) -> Callable[[], Outputs]:
    """What computes the restored image, the kernel and all gradients of a weighted sum of both.

    Args:
        run: from LR images to the restored ones.
        network: its parameters are differentiated by.
        lr: LR images [B,3,h,w].
        weight: of the restored pixels, [B,3,H,W].
    """
    parameters = dict(network.named_parameters())

    def work() -> Outputs:
        restored = run(lr)
        assert restored.kernel is not None
        loss = (restored.sr * weight).mean() + restored.kernel.square().sum()
        values = torch.autograd.grad(loss, list(parameters.values()))
        gradients = grouped(dict(zip(parameters, values, strict=True)))
        return {"sr": restored.sr.detach(), "kernel": restored.kernel.detach(), **gradients}

    return work


def grouped(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients by parameter, those of the PReLU slopes as one vector.

    A slope is a single number, the sum over a whole map of terms that cancel: alone it has no scale to which
    rounding could be called small.
    """
    slopes = [gradient for gradient in gradients.values() if gradient.numel() == 1]
    others = {f"gradient of {name}": gradient for name, gradient in gradients.items() if gradient.numel() > 1}
    return {"gradient of the slopes": torch.cat(slopes), **others}
