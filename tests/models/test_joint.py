"""Invariants of the joint model: the chain, clipping, normalisation, padding, handover."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.records import Segmented
from models.base import Segmentation
from models.joint import JointModel
from models.normalisation import MEAN, NORMALISATIONS, STD, LocalNormalisation
from models.seg import FPN, PSPNet
from models.sr import KBPN, Bicubic


class Probe(Segmentation):
    """A segmentation network that returns the first channel of what it was given, and remembers it."""

    def __init__(self, multiple: int = 8) -> None:
        super().__init__()
        self.multiple = multiple
        self.seen: Tensor | None = None
        self.kernel: Tensor | None = None

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        assert x.shape[2] % self.multiple == 0 and x.shape[3] % self.multiple == 0
        self.seen, self.kernel = x, kernel
        return Segmented(x[:, :1], (2 * x[:, :1],))


def small_kbpn() -> KBPN:
    torch.manual_seed(0)
    return KBPN(stages=2, width=4, kernel_side=5, estimated_side=3, corrector_width=4)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 6)])
def test_outputs_have_the_restored_size(size: tuple[int, int]) -> None:
    joint = JointModel(small_kbpn(), PSPNet("resnet18", width=0.05))
    output = joint(torch.rand(2, 3, *size))
    high = (4 * size[0], 4 * size[1])
    assert output.sr.shape == (2, 3, *high) and output.kernel.shape == (2, 1, 5, 5)
    assert output.logits.shape == output.aux[0].shape == (2, 1, *high)


def test_clips_outside_training_only() -> None:
    joint = JointModel(small_kbpn(), Probe(), normalise="none")
    lr = 3 * torch.rand(1, 3, 8, 8) - 1
    training, inference = joint.train()(lr).sr, joint.eval()(lr).sr
    assert training.min() < 0 and training.max() > 1
    assert torch.equal(inference, training.clamp(0, 1))
    assert torch.equal(joint.seg.seen, inference)
    unclipped = JointModel(joint.sr, Probe(), clip=False).eval()
    assert torch.equal(unclipped(lr).sr, training)


def test_instance_normalisation_is_per_image_and_channel() -> None:
    joint = JointModel(Bicubic(), Probe())
    image = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    joint.segment(image)
    mean = image.mean((2, 3), keepdim=True)
    variance = image.var((2, 3), unbiased=False, keepdim=True)
    torch.testing.assert_close(joint.seg.seen, (image - mean) / (variance + 1e-5).sqrt())


@pytest.mark.parametrize("window", [5, 8])
def test_local_normalisation_is_that_of_the_shifted_window_around_each_pixel(window: int) -> None:
    """Against NumPy's mean and deviation of the very pixels, at the corners, at a border and inside."""
    image = torch.rand(2, 3, 17, 21, dtype=torch.float64)
    normalised = LocalNormalisation(window)(image)
    for row, column in [(0, 0), (16, 20), (0, 11), (9, 1), (8, 10), (12, 17)]:
        top = min(max(row - window // 2, 0), 17 - window)
        left = min(max(column - window // 2, 0), 21 - window)
        around = image[..., top : top + window, left : left + window].numpy()
        expected = (image[..., row, column].numpy() - around.mean((2, 3))) / np.sqrt(around.var((2, 3)) + 1e-5)
        np.testing.assert_allclose(normalised[..., row, column].numpy(), expected, rtol=1e-9)


def test_local_normalisation_of_an_image_of_the_window_is_instance_normalisation() -> None:
    image = torch.rand(2, 3, 16, 12)
    assert torch.equal(LocalNormalisation(16)(image), NORMALISATIONS["instance"]()(image))
    flat = LocalNormalisation(8)(torch.full((1, 3, 16, 12), 0.7))
    assert flat.isfinite().all() and flat.abs().max() < 1e-2


def test_local_normalisation_forgets_what_is_farther_than_the_window() -> None:
    image = torch.rand(1, 3, 16, 48)
    shadowed = image.clone()
    shadowed[..., 32:] *= 0.2
    ours, theirs = (LocalNormalisation(16)(one)[..., :24] for one in (image, shadowed))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    whole = NORMALISATIONS["instance"]()
    assert (whole(image) - whole(shadowed))[..., :24].abs().max() > 0.1


def test_fixed_normalisation_uses_the_published_constants() -> None:
    joint = JointModel(Bicubic(), Probe(), normalise="fixed")
    mean, std = (torch.tensor(one).reshape(1, 3, 1, 1) for one in (MEAN, STD))
    joint.segment((mean + std).expand(1, 3, 8, 8))
    torch.testing.assert_close(joint.seg.seen, torch.ones(1, 3, 8, 8))
    assert not joint.state_dict()


@pytest.mark.parametrize("name", sorted(NORMALISATIONS))
@pytest.mark.parametrize("size", [(8, 8), (9, 15), (2, 3)])
def test_padding_repeats_borders_and_is_cropped(name: str, size: tuple[int, int]) -> None:
    joint = JointModel(Bicubic(), Probe(multiple=8), normalise=name)
    image = torch.rand(1, 3, *size)
    segmented = joint.segment(image)
    expected = joint.normalise(image)
    assert torch.equal(segmented.logits, expected[:, :1])
    torch.testing.assert_close(segmented.aux[0], 2 * expected[:, :1])
    assert torch.equal(joint.seg.seen[..., -1, -1], expected[..., -1, -1])


def test_kernel_reaches_both_networks() -> None:
    joint = JointModel(small_kbpn(), Probe())
    kernel = torch.full((1, 1, 5, 5), 0.04)
    output = joint(torch.rand(1, 3, 8, 8), kernel)
    torch.testing.assert_close(output.kernel, kernel)
    assert joint.seg.kernel is output.kernel


def test_segmentation_loss_reaches_the_restoration() -> None:
    joint = JointModel(small_kbpn(), FPN(width=8))
    joint(torch.rand(2, 3, 8, 8)).logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in joint.sr.parameters())


def test_handover_starts_as_the_plain_joint_model_and_can_learn() -> None:
    sr, seg = small_kbpn(), FPN(width=8)
    plain = JointModel(sr, seg).eval()
    handing = JointModel(sr, seg, handover=True).eval()
    lr = torch.rand(2, 3, 9, 8)
    assert torch.equal(handing(lr).logits, plain(lr).logits)
    handing(lr).logits.square().mean().backward()
    last = handing.handover.logit_path[-1]
    assert handing.handover.image_path.weight.grad.abs().max() > 0 and last.weight.grad.abs().max() > 0
    with torch.no_grad():
        last.bias.fill_(1.0)
    torch.testing.assert_close(handing(lr).logits, plain(lr).logits + 1)
    assert torch.equal(handing.segment(lr).logits, plain.segment(lr).logits)  # an image without features


def test_trains_under_bfloat16_autocast_with_its_kernel_in_float32() -> None:
    joint = JointModel(small_kbpn(), FPN(width=8), handover=True).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = joint(torch.rand(2, 3, 8, 8))
    output.logits.float().square().mean().backward()
    assert output.kernel.dtype == torch.float32
    assert all(torch.isfinite(one.grad).all() for one in joint.parameters() if one.grad is not None)
