"""Under bfloat16 autocast a confident false alarm learns as in float32: every network, every output, every loss."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from contracts.records import DegradedBatch, JointOutput, Segmented
from losses.combo import SEGMENTATION_LOSSES
from losses.image_label import POOLINGS, ImageLabelLoss
from losses.joint import JointLoss
from losses.sr import KBPNLoss
from models.dsrl import DSRL
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from tests.helpers.small_networks import SMALL_DSRL, SMALL_SEG, SMALL_SR

SIDE = 32
HEAD = re.compile(r"head|auxiliary|to_logit|fuse|cam|reduce|seg\.decoder")  # in names of layers that make logits
LOGITS = (6.5, 12.0, 20.0)  # all exact in bfloat16
NETWORKS = {
    **{name: (SEG_NETWORKS[name], arguments) for name, arguments in SMALL_SEG.items()},
    "unet_encoder-cam": (SEG_NETWORKS["unet_encoder"], {**SMALL_SEG["unet_encoder"], "cam": True}),
    "fpn-full": (SEG_NETWORKS["fpn"], {**SMALL_SEG["fpn"], "full_resolution": True}),
    "dsrl": (DSRL, {**SMALL_DSRL, "scale": 4}),
}
LOSSES = {
    **{name: make() for name, make in SEGMENTATION_LOSSES.items()},
    **{f"image_label-{pooling}": ImageLabelLoss(pooling) for pooling in POOLINGS},
}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> nn.Module:
    """Every segmentation network at a small size."""
    torch.manual_seed(0)
    cls, arguments = NETWORKS[request.param]
    return cls(**arguments).train()


def batch(side: int) -> DegradedBatch:
    """Two samples without a crack but for some pixels of the second."""
    mask = torch.zeros(2, 1, side, side)
    mask[1, :, 3:6, 2:20] = 1
    empty = torch.zeros(2, 3, 1, 1)
    return DegradedBatch(empty, empty, mask, empty, ("a", "b"), distance=0.5 - mask, label=torch.tensor([0.0, 0.0]))


def heads(network: nn.Module) -> list[nn.Conv2d]:
    """The convolutions that make logits: of one channel, or, where a shuffle follows, of several."""
    named = [(name, layer) for name, layer in network.named_modules() if hasattr(layer, "out_channels")]
    return [layer for name, layer in named if name == "head" or (HEAD.search(name) and layer.out_channels == 1)]


def say(network: nn.Module, logit: float) -> None:
    """Let every head say ``logit`` at every pixel."""
    for head in heads(network):
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, logit)


def segmented(network: nn.Module) -> tuple[Segmented | JointOutput, list[Tensor]]:
    """The network's outputs for a drawn image, and those of each head, before any enlargement."""
    said: list[Tensor] = []
    hooks = [head.register_forward_hook(lambda _, __, output: said.append(output)) for head in heads(network)]
    output = network(torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    for hook in hooks:
        hook.remove()
    return output, said


def gradients(output: Segmented | JointOutput, said: list[Tensor], name: str) -> tuple[Tensor, ...]:
    """Of the loss, with a weight on side outputs, at each pixel that a head makes."""
    side = output.logits.shape[-1]
    loss = JointLoss(LOSSES[name], KBPNLoss(), aux_weight=0.5)(output, batch(side), alpha=0.5, tasks=["seg"])
    return torch.autograd.grad(loss.total, said, retain_graph=True)


@pytest.mark.parametrize("logit", LOGITS)
def test_gradient_is_that_of_float32(network: nn.Module, logit: float) -> None:
    say(network, logit)
    exact = segmented(network)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = segmented(network)
    assert len(exact[1]) == len(mixed[1]) == 1 + sum(one.shape[1] for one in mixed[0].aux)
    for name in LOSSES:
        for expected, found in zip(gradients(*exact, name), gradients(*mixed, name), strict=True):
            allowed = 0.01 * expected.abs() + 0.002 * expected.abs().max()  # neighbours may cancel in an enlargement
            assert ((found.float() - expected).abs() <= allowed).all(), name
            if name in ("bce", "wbce", "combo", "image_label-log_sum_exp"):
                assert expected.sum() > 0.05, name


def test_outputs_are_float32_under_autocast(network: nn.Module) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = segmented(network)
    assert {one.dtype for one in (found.logits, *found.aux)} == {torch.float32}
    if isinstance(found, JointOutput):
        assert found.sr.dtype == torch.float32


@pytest.mark.parametrize("name", sorted(SR_NETWORKS))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.no_grad()
def test_restored_images_and_kernels_are_float32_under_autocast(name: str, dtype: torch.dtype) -> None:
    network = SR_NETWORKS[name](scale=4, **SMALL_SR[name])
    with torch.autocast("cpu", dtype):
        restored = network(torch.rand(1, 3, 8, 8))
    assert restored.sr.dtype == torch.float32
    assert restored.kernel is None or restored.kernel.dtype == torch.float32


@pytest.mark.parametrize("logit", [6.5, 12.0, 17.0, 20.0, 40.0, 80.0])
def test_cross_entropy_of_a_wrong_pixel_keeps_its_gradient(logit: float) -> None:
    """Down to float32's saturation and beyond it: derivative 1 for a false alarm, -1 for a miss."""
    for truth, value in ((0.0, logit), (1.0, -logit)):
        x = torch.full((1, 1, 2, 2), value, requires_grad=True)
        LOSSES["bce"](x, torch.full_like(x, truth), None, 1.0).sum().backward()
        expected = (torch.tensor(value, dtype=torch.float64).sigmoid() - truth) / 4
        torch.testing.assert_close(x.grad.double(), expected.expand_as(x.grad), rtol=1e-6, atol=0)
