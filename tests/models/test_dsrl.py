"""DSRL: its encoder, its two outputs at the asked-for scale, and its use as a joint model."""

from __future__ import annotations

import pytest
import scipy.ndimage
import torch
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.records import DegradedBatch, Segmented
from engine.train.stages import STAGE_SPECS
from engine.train.step import set_trainable
from losses.affinity import FeatureAffinity
from losses.combo import SEGMENTATION_LOSSES
from losses.joint import JointLoss
from losses.sr import KBPNLoss
from models.dsrl import DSRL
from models.reference_keys import FAMILIES, reference_keys
from tests.helpers.network_checks import (
    check_evaluation,
    check_half_precision,
    check_saved_weights,
    parameters_without_gradient,
)
from tests.helpers.small_networks import SMALL_DSRL


@pytest.fixture(scope="module", params=[3, 4], ids=["x2 and interpolation", "x4"])
def network(request: pytest.FixtureRequest) -> DSRL:
    """A small network of either depth."""
    torch.manual_seed(0)
    return DSRL(up_steps=request.param, **SMALL_DSRL)


def lr(samples: int = 2, height: int = 32, width: int = 20) -> Tensor:
    """A low-resolution batch in [0, 1]."""
    return torch.rand(samples, 3, height, width, generator=torch.Generator().manual_seed(1))


def logits(network: nn.Module, x: Tensor) -> Tensor:
    """The logits of the joint output."""
    return network(x).logits


def aligned(x: Tensor, factor: float) -> Tensor:
    """SciPy's linear interpolation between aligned corners."""
    return torch.as_tensor(scipy.ndimage.zoom(x.numpy(), (1, 1, factor, factor), order=1))


def test_a_fourth_step_has_a_name_of_its_own(network: DSRL) -> None:
    own = network.state_dict()
    keys = reference_keys("dsrl", own)
    assert len(keys) == len(own) and all(FAMILIES["dsrl"].owns(key) for key in keys)
    assert ("parallel_model.up_sr_4.weight" in keys) == (network.native == 4)


def test_layer4_stays_at_stride_16_with_dilations_2_4_8() -> None:
    with torch.device("meta"):
        backbone = DSRL(width=0.1).encoder.backbone
    blocks = [(block.conv2.dilation[0], block.conv2.padding[0], block.conv2.stride[0]) for block in backbone["layer4"]]
    assert blocks == [(2, 2, 1), (4, 4, 1), (8, 8, 1)]
    assert [block.conv2.dilation[0] for block in backbone["layer3"]] == [1] * 23
    details, deep = backbone(torch.empty(1, 3, 64, 32, device="meta"))
    assert (details.shape, deep.shape) == ((1, 256, 16, 8), (1, 2048, 4, 2))


@pytest.mark.parametrize("sides", [(32, 20), (33, 18), (7, 5)])
def test_outputs_have_the_scale_asked_for(network: DSRL, sides: tuple[int, int]) -> None:
    output = network.eval()(lr(2, *sides))
    height, width = 4 * sides[0], 4 * sides[1]
    assert output.sr.shape == (2, 3, height, width) and output.logits.shape == (2, 1, height, width)
    assert output.kernel is None and output.aux == ()
    segmentation, restoration = output.features
    assert segmentation.shape == restoration.shape and segmentation.min() >= 0


@torch.no_grad()
def test_enlargement_aligns_corners() -> None:
    torch.manual_seed(0)
    network = DSRL(clip=False, **SMALL_DSRL).double().eval()
    x = lr().double()
    found, output = network.outputs(x), network(x)
    torch.testing.assert_close(output.sr, aligned(found.sr, 2))
    torch.testing.assert_close(output.logits.sigmoid(), aligned(found.both[:, :1], 2))
    assert output.features[0].shape[2:] == found.sr.shape[2:] == (64, 40)


@torch.no_grad()
def test_scale_2_needs_no_interpolation() -> None:
    torch.manual_seed(0)
    network = DSRL(scale=2, clip=False, **SMALL_DSRL).eval()
    torch.testing.assert_close(network(lr()).sr, network.outputs(lr()).sr, rtol=0, atol=0)


@torch.no_grad()
def test_a_padded_image_gives_what_the_larger_one_gives(network: DSRL) -> None:
    x = lr(1, 30, 19)
    larger = torch.nn.functional.pad(x, (0, 1, 0, 2), mode="replicate")
    network.eval()
    torch.testing.assert_close(network(x).sr, network(larger).sr[:, :, :120, :76])
    torch.testing.assert_close(network(x).logits, network(larger).logits[:, :, :120, :76])
    torch.testing.assert_close(network.segment(x).logits, network.segment(larger).logits[:, :, :30, :19])


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_restoring_alone_gives_the_same_image_clipped_outside_training(training: bool) -> None:
    torch.manual_seed(0)
    network = DSRL(**SMALL_DSRL, dropout=0.0, last_dropout=0.0).train(training)
    network.sr.last.bias[0] = 2.0
    restored = network.restore(lr())
    assert torch.equal(restored.sr, network(lr()).sr) and restored.kernel is None
    assert (restored.sr.max() > 1) == training


@torch.no_grad()
def test_a_sharp_image_is_segmented_at_its_own_size(network: DSRL) -> None:
    x = lr().double()
    double = network.double().eval()
    own = double.segment(x).logits.sigmoid()
    assert own.shape == (2, 1, 32, 20)
    torch.testing.assert_close(aligned(own, double.native), double.outputs(x).both[:, :1])
    network.float()


def batch() -> DegradedBatch:
    """Two samples whose restored image is far from its target."""
    hr = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    mask = (hr[:, :1] > 0.9).float()
    kernel = torch.full((2, 1, 3, 3), 1 / 9)
    return DegradedBatch(lr(2, 32, 32), hr, mask, kernel, ("a", "b"))


def test_joint_loss_and_affinity_reach_every_parameter(network: DSRL) -> None:
    loss = JointLoss(SEGMENTATION_LOSSES["combo"](), KBPNLoss())
    output = network.train()(batch().lr)
    report = loss(output, batch())
    assert set(report.terms) == {"sr", "sr_image", "seg", "seg_main"}
    expected = (output.sr - batch().hr).abs().mean()
    torch.testing.assert_close(report.terms["sr"], expected.detach())
    assert not parameters_without_gradient(network, report.total + FeatureAffinity()(output.features))


def test_affinity_reaches_both_branches(network: DSRL) -> None:
    FeatureAffinity()(network.train()(batch().lr).features).backward()
    for part in (network.encoder, network.sr, network.seg):
        assert any(parameter.grad.abs().sum() > 0 for parameter in part.parameters() if parameter.grad is not None)
    network.zero_grad(set_to_none=True)


def test_parts_cover_the_model_once(network: DSRL) -> None:
    found = [id(parameter) for group in network.param_groups().values() for parameter in group]
    assert sorted(found) == sorted(id(parameter) for parameter in network.parameters())
    set_trainable(network, STAGE_SPECS["joint"])
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_saved_weights_restore_the_function(network: DSRL) -> None:
    check_saved_weights(network, lr(1), logits)


def test_evaluation_is_deterministic_and_per_sample(network: DSRL) -> None:
    check_evaluation(network, lr(3), logits)


def test_half_precision_is_close(network: DSRL) -> None:
    for forward in (lambda net, x: net(x).logits.sigmoid(), lambda net, x: net.outputs(x).sr):
        check_half_precision(network, lr(), torch.bfloat16, forward, tolerance=0.05)
    output = network.eval().bfloat16()(lr().bfloat16())
    network.float()
    assert output.logits.dtype == torch.float32 and output.sr.dtype == torch.bfloat16


def test_one_sample_cannot_train(network: DSRL) -> None:
    with pytest.raises(UserError, match="cannot train on one sample at a time; give batches of 2 or more"):
        network.train()(lr(1))
    assert isinstance(network.eval().segment(lr(1)), Segmented)
