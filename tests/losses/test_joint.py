"""The joint loss: which tasks are optimised, with which weights, and what is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from contracts.errors import ArgumentError
from contracts.records import DegradedBatch, JointOutput, Restored, Segmented
from losses.affinity import FeatureAffinity
from losses.blur import blur_loss, kernel_moments
from losses.combo import BoundaryCombo, RegionCombo
from losses.image_label import ImageLabelLoss
from losses.joint import JointLoss
from losses.sr import KBPNLoss
from losses.topology import SkeletonRecall, SoftClDice
from losses.weights import crack_oriented, distance_to_crack, fail_oriented


@pytest.fixture
def batch() -> DegradedBatch:
    generator = torch.Generator().manual_seed(2)
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, 4:9, 3:8] = 1
    kernel = torch.rand(2, 1, 5, 5, generator=generator)
    return DegradedBatch(
        lr=torch.rand(2, 3, 4, 4, generator=generator),
        hr=torch.rand(2, 3, 16, 16, generator=generator),
        mask=mask,
        kernel=kernel / kernel.sum(dim=(2, 3), keepdim=True),
        name=("a", "b"),
        distance=torch.rand(2, 1, 16, 16, generator=generator) * 2 - 1,
    )


@pytest.fixture
def output() -> JointOutput:
    generator = torch.Generator().manual_seed(3)
    kernel = torch.rand(2, 1, 5, 5, generator=generator)
    return JointOutput(
        sr=torch.rand(2, 3, 16, 16, generator=generator, requires_grad=True),
        kernel=kernel / kernel.sum(dim=(2, 3), keepdim=True),
        logits=torch.randn(2, 1, 16, 16, generator=generator, requires_grad=True),
        aux=(torch.randn(2, 1, 16, 16, generator=generator),),
    )


def joint(**arguments: float) -> JointLoss:
    return JointLoss(BoundaryCombo(), KBPNLoss(), **arguments)


def test_total_is_the_mixture_and_terms_are_what_was_optimised(batch, output) -> None:
    report = joint()(output, batch, alpha=0.5, beta=0.3)
    terms = report.terms
    torch.testing.assert_close(report.total, 0.7 * terms["sr"] + 0.3 * terms["seg"])
    torch.testing.assert_close(terms["seg"], terms["seg_main"] + 0.4 * terms["seg_aux"])
    expected = 0.4 * terms["sr_image"] + 0.4 * terms["sr_lr"] + 0.2 * terms["sr_kernel"]
    torch.testing.assert_close(terms["sr"], expected)
    combo = BoundaryCombo()(output.logits, batch.mask, batch.distance, 0.5)
    torch.testing.assert_close(terms["seg_main"], combo.mean().detach())
    assert all(not term.requires_grad and term.shape == () for term in terms.values())


def test_one_task_alone_is_not_scaled(batch, output) -> None:
    both = joint()(output, batch, alpha=0.5, beta=0.3)
    restored = Restored(output.sr, output.kernel)
    sr = joint()(restored, batch, alpha=0.5, beta=0.3, tasks=("sr",))
    torch.testing.assert_close(sr.total.detach(), both.terms["sr"])
    assert set(sr.terms) == {"sr", "sr_image", "sr_lr", "sr_kernel"}
    segmented = Segmented(output.logits, output.aux)
    seg = joint()(segmented, batch, alpha=0.5, beta=0.3, tasks=("seg",))
    torch.testing.assert_close(seg.total.detach(), both.terms["seg"])
    assert set(seg.terms) == {"seg", "seg_main", "seg_aux"}


def test_gradient_reaches_what_is_optimised_only(batch, output) -> None:
    joint()(output, batch, tasks={"seg"}).total.backward()
    assert output.sr.grad is None and output.logits.grad is not None
    output.logits.grad = None
    joint()(output, batch, tasks={"sr"}).total.backward()
    assert output.sr.grad is not None and output.logits.grad is None


def test_side_maps_count_by_their_number(batch, output) -> None:
    five = torch.randn(2, 5, 16, 16)
    report = joint(aux_weight=0.4)(replace(output, aux=(five,)), batch, alpha=0.5)
    expected = 5 * BoundaryCombo()(five, batch.mask, batch.distance, 0.5).mean()
    torch.testing.assert_close(report.terms["seg_aux"], expected)


def test_batch_mean_of_equal_halves(batch, output) -> None:
    whole = joint()(output, batch, alpha=0.5).total
    halves = []
    for i in range(2):
        part = slice(i, i + 1)
        half = JointOutput(output.sr[part], output.kernel[part], output.logits[part], (output.aux[0][part],))
        fields = {name: getattr(batch, name)[part] for name in ("lr", "hr", "mask", "kernel", "name", "distance")}
        halves.append(joint()(half, DegradedBatch(**fields), alpha=0.5).total)
    torch.testing.assert_close(whole, (halves[0] + halves[1]) / 2)


def test_oriented_weights(batch, output) -> None:
    fail = fail_oriented(output.logits.sigmoid(), batch.mask, 1.0)
    crack = crack_oriented(distance_to_crack(batch.mask), 0.1)
    report = joint(fail_amplitude=1.0, crack_amplitude=0.1)(output, batch)
    expected = ((output.sr - batch.hr).abs() * fail * crack).mean()
    torch.testing.assert_close(report.terms["sr_image"], expected.detach())


def test_oriented_weights_can_be_out_of_force(batch, output) -> None:
    report = joint(fail_amplitude=1.0, crack_amplitude=0.1)(output, batch, oriented=False)
    torch.testing.assert_close(report.terms["sr_image"], (output.sr - batch.hr).abs().mean().detach())


def test_affinity_is_added_for_networks_with_features(batch, output) -> None:
    """Two pixels after pooling: similarities 2x2 of 1 against those of 2 and 0."""
    segmentation = torch.ones(2, 1, 2, 4)
    restoration = torch.zeros(2, 1, 2, 4)
    restoration[..., :2] = 2.0
    loss = joint(affinity=FeatureAffinity(pool=2), affinity_weight=0.25)
    plain = loss(output, batch, alpha=0.5, beta=0.3)
    both = loss(replace(output, features=(segmentation, restoration)), batch, alpha=0.5, beta=0.3)
    expected = (abs(1 - 4) + 3 * abs(1 - 0)) / 4
    assert both.terms["affinity"] == pytest.approx(expected)
    torch.testing.assert_close(both.total, plain.total + 0.25 * expected)
    assert "affinity" not in plain.terms


@pytest.mark.parametrize("topology", [SoftClDice(), SkeletonRecall()])
def test_topology_is_added_to_the_segmentation(batch, output, topology) -> None:
    plain = joint()(output, batch, alpha=0.5, beta=0.3)
    report = joint(topology=topology, topology_weight=0.25)(output, batch, alpha=0.5, beta=0.3)
    expected = topology(output.logits.sigmoid(), batch.mask).mean().detach()
    torch.testing.assert_close(report.terms["seg_topology"], expected)
    torch.testing.assert_close(report.terms["seg"], plain.terms["seg"] + 0.25 * expected)
    torch.testing.assert_close(report.total, plain.total + 0.3 * 0.25 * expected)


def test_without_a_weight_topology_changes_no_bit(batch, output) -> None:
    plain, off = joint()(output, batch), joint(topology=SoftClDice())(output, batch)
    assert torch.equal(plain.total, off.total) and plain.terms.keys() == off.terms.keys()


@pytest.mark.parametrize("sharp", [0, 1, 2])
def test_estimated_blur_is_compared_with_that_of_the_kernels(batch, output, sharp) -> None:
    """Sharp photographs come first, and have none."""
    estimate = torch.rand(2, 4, generator=torch.Generator().manual_seed(4))
    plain = joint(blur_weight=0.25)(output, batch, alpha=0.5, beta=0.3, sharp=sharp)
    report = joint(blur_weight=0.25)(replace(output, blur=estimate), batch, alpha=0.5, beta=0.3, sharp=sharp)
    truth = torch.cat([torch.zeros(sharp, 4), kernel_moments(batch.kernel[sharp:])])
    expected = blur_loss(estimate, truth).mean()
    torch.testing.assert_close(report.terms["seg_blur"], expected)
    torch.testing.assert_close(report.total, plain.total + 0.3 * 0.25 * expected)
    off = joint()(replace(output, blur=estimate), batch, alpha=0.5, beta=0.3)
    assert torch.equal(off.total, plain.total) and "seg_blur" not in {**plain.terms, **off.terms}


def test_image_labels_have_no_topology() -> None:
    with pytest.raises(ArgumentError, match="topology loss needs masks"):
        JointLoss(ImageLabelLoss(), KBPNLoss(), topology=SoftClDice(), topology_weight=0.1)
    assert JointLoss(ImageLabelLoss(), KBPNLoss(), topology=SoftClDice()).topology_weight == 0


def test_loss_without_distance_map(batch, output) -> None:
    loss = JointLoss(RegionCombo(), KBPNLoss())
    assert loss(output, replace(batch, distance=None)).total.isfinite()
    with pytest.raises(ValueError, match="distance map"):
        joint()(output, replace(batch, distance=None))


def test_low_precision_logits(batch, output) -> None:
    low = replace(output, logits=output.logits.bfloat16(), sr=output.sr.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        report = joint()(low, batch)
    assert report.total.dtype == torch.float32


def test_mistakes_are_named(batch, output) -> None:
    for tasks in ((), ("sr", "both"), "sr"):
        with pytest.raises(ValueError, match="tasks must be"):
            joint()(output, batch, tasks=tasks)
    with pytest.raises(ValueError, match="'seg' needs an output with 'logits'"):
        joint()(Restored(output.sr), batch)
    with pytest.raises(ValueError, match="beta"):
        joint()(output, batch, beta=1.5)
