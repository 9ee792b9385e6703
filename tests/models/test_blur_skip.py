"""PSPNet with blur skip against its plain formulation: the kernel as a constant map of image size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import UserError
from models.joint import JointModel
from models.seg import PSPNet, PSPNetBlurSkip
from models.seg.blur_skip import VARIANTS, BlurSkip
from models.sr import KBPN, Bicubic

SIDE = 9


def kernels(count: int, side: int = SIDE) -> Tensor:
    """Random kernels that sum to 1, float64."""
    values = torch.rand(count, 1, side, side, dtype=torch.float64)
    return values / values.sum((2, 3), keepdim=True)


def small(**changes: object) -> PSPNetBlurSkip:
    torch.manual_seed(0)
    return PSPNetBlurSkip(**{"encoder": "resnet18", "width": 0.05, "kernel_side": SIDE, **changes}).double()


def dense_branch(branch: nn.Module, z: Tensor) -> Tensor:
    """Convolution, PReLU, convolution, all at image size."""
    hidden = F.conv2d(z, branch.first.weight, branch.first.bias, padding=1)
    hidden = torch.where(hidden >= 0, hidden, branch.activation.weight * hidden)
    return F.conv2d(hidden, branch.second.weight, branch.second.bias, padding=1)


def dense_blur_skip(skip: BlurSkip, features: Tensor, kernel: Tensor) -> Tensor:
    """The paper's formulation: kernel channels spread over the image, beside the features or alone."""
    if skip.variant == "reduced":
        kernel = F.interpolate(kernel, (7, 7), mode="bicubic", align_corners=True)
    spread_out = kernel.flatten(1)[:, :, None, None].expand(-1, -1, *features.shape[2:])
    for modulation, convolution in zip(skip.modulations, skip.convolutions, strict=True):
        z = spread_out if skip.variant == "origin" else torch.cat([features, spread_out], 1)
        scale = 1 / (1 + torch.exp(-dense_branch(modulation.scale, z)))
        features = convolution(features * scale + dense_branch(modulation.shift, z))
    return features


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("size", [(4, 5), (9, 12)])
def test_equals_the_plain_formulation_with_its_gradients(variant: str, size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    skip = BlurSkip(3, SIDE, variant).double()
    features = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    kernel = kernels(2).requires_grad_()
    inputs = [features, kernel, *skip.parameters()]
    ours, plain = (run(features, kernel) for run in (skip, lambda *given: dense_blur_skip(skip, *given)))
    torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(ours)
    for one, other in zip(*(torch.autograd.grad((x * weight).sum(), inputs) for x in (ours, plain)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_the_kernel_changes_what_is_segmented_and_not_the_auxiliary_output() -> None:
    network, x = small().eval(), torch.randn(2, 3, 32, 40, dtype=torch.float64)
    one, other = network(x, kernels(2)), network(x, kernels(2))
    assert (one.logits - other.logits).abs().max() > 1e-6
    assert torch.equal(one.aux[0], other.aux[0])


def test_without_a_kernel_the_image_counts_as_sharp() -> None:
    network, x = small().eval(), torch.randn(2, 3, 32, 40, dtype=torch.float64)
    delta = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.float64)
    delta[:, :, SIDE // 2, SIDE // 2] = 1
    assert torch.equal(network(x).logits, network(x, delta).logits)
    assert "sharp" not in network.state_dict()


def test_a_silent_blur_skip_leaves_pspnet() -> None:
    """What the last ReLU returns is zero for a very negative bias; the rest is PSPNet with equal weights."""
    network = small().eval()
    nn.init.constant_(network.blur_skip.convolutions[-1][1].bias, -1e6)
    plain = PSPNet("resnet18", width=0.05).double().eval()
    plain.load_state_dict({name: network.state_dict()[name] for name in plain.state_dict()})
    x = torch.randn(1, 3, 32, 40, dtype=torch.float64)
    torch.testing.assert_close(network(x, kernels(1)).logits, plain(x).logits)


def test_only_the_added_path_is_handed_out_for_training() -> None:
    network = small()
    own = {id(parameter) for parameter in network.skip_path.parameters()}
    named = {name for name, parameter in network.named_parameters() if id(parameter) in own}
    assert named == {name for name, _ in network.named_parameters()} - {
        name for name, _ in PSPNet("resnet18", width=0.05).named_parameters()
    }


def test_the_slopes_of_the_added_path_start_at_a_hundredth() -> None:
    slopes = [module.weight for module in small().blur_skip.modules() if isinstance(module, nn.PReLU)]
    assert len(slopes) == 4
    torch.testing.assert_close(torch.cat(slopes), torch.full((4,), 0.01, dtype=torch.float64))


def test_the_joint_model_hands_the_estimated_kernel_over() -> None:
    sr = KBPN(stages=2, width=4, kernel_side=SIDE, estimated_side=3, corrector_width=4)
    joint = JointModel(sr, small().float()).eval()
    output = joint(torch.rand(1, 3, 8, 10))
    torch.testing.assert_close(output.logits, joint.segment(output.sr, output.kernel).logits)
    assert (output.logits - joint.segment(output.sr).logits).abs().max() > 1e-6


def test_an_sr_network_without_kernel_is_refused() -> None:
    with pytest.raises(UserError, match="needs the blur kernel"):
        JointModel(Bicubic(), small())


@pytest.mark.parametrize("kernel", [kernels(2, 7), kernels(1), torch.rand(2, SIDE**2)])
def test_kernels_of_another_shape_are_named(kernel: Tensor) -> None:
    with pytest.raises(UserError, match=r"the blur skip expects \[2, 1, 9, 9\]"):
        small()(torch.randn(2, 3, 32, 32, dtype=torch.float64), kernel)
