"""Pooling of logits and the loss of image labels, against hand-worked and SciPy's values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp

from contracts.errors import UserError
from contracts.records import DegradedBatch, JointOutput, Segmented
from losses.image_label import POOLINGS, ImageLabelLoss, log_sum_exp_pooling, max_pooling, top_pooling
from losses.joint import JointLoss
from losses.sr import KBPNLoss

LOGITS = torch.tensor([[[[0.0, 1.0], [2.0, -3.0]]], [[[-1.0, -1.0], [-1.0, -1.0]]]], dtype=torch.float64)


def test_poolings_of_hand_worked_maps() -> None:
    torch.testing.assert_close(max_pooling(LOGITS), torch.tensor([2.0, -1.0], dtype=torch.float64))
    torch.testing.assert_close(top_pooling(LOGITS, 0.5), torch.tensor([1.5, -1.0], dtype=torch.float64))
    torch.testing.assert_close(top_pooling(LOGITS, 0.01), max_pooling(LOGITS))
    torch.testing.assert_close(top_pooling(LOGITS, 1.0), LOGITS.mean((1, 2, 3)))


@pytest.mark.parametrize("sharpness", [0.5, 4.0])
def test_log_sum_exp_against_scipy(sharpness: float) -> None:
    flat = LOGITS.numpy().reshape(2, -1)
    expected = logsumexp(sharpness * flat, axis=1, b=1 / flat.shape[1]) / sharpness
    np.testing.assert_allclose(log_sum_exp_pooling(LOGITS, sharpness), expected, rtol=1e-12)


def test_log_sum_exp_lies_between_mean_and_maximum() -> None:
    torch.testing.assert_close(log_sum_exp_pooling(LOGITS, 1e-6), LOGITS.mean((1, 2, 3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(log_sum_exp_pooling(LOGITS, 1e4), max_pooling(LOGITS), rtol=0, atol=1e-3)
    assert log_sum_exp_pooling(1e4 * LOGITS, 4.0).isfinite().all()


@pytest.mark.parametrize(("pooling", "pixels"), [("max", 1), ("top", 2), ("log_sum_exp", 4)])
def test_how_many_pixels_get_a_gradient(pooling: str, pixels: int) -> None:
    logits = LOGITS[:1].clone().requires_grad_()
    ImageLabelLoss(pooling, share=0.5)(logits, torch.ones(1)).sum().backward()
    assert int((logits.grad != 0).sum()) == pixels


def test_loss_is_the_cross_entropy_of_the_pooled_logit() -> None:
    found = ImageLabelLoss("max", positive=3.0)(LOGITS, torch.tensor([1.0, 0.0]))
    expected = [-3 * math.log(expit(2.0)), -math.log(1 - expit(-1.0))]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_half_precision_is_widened() -> None:
    assert ImageLabelLoss()(LOGITS.bfloat16(), torch.ones(2)).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "maxx"}, "did you mean 'max'"),
        ({"sharpness": 0.0}, "sharpness 0.0"),
        ({"share": 0.0}, "share 0.0"),
        ({"share": 1.5}, "share 1.5"),
        ({"positive": -1.0}, "positive -1.0"),
    ],
)
def test_mistakes_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageLabelLoss(**arguments)


def test_auxiliary_maps_learn_from_the_same_labels() -> None:
    label = torch.tensor([1.0, 0.0])
    output = Segmented(LOGITS.float(), (torch.full((2, 1, 2, 2), -math.log(3)),))
    batch = DegradedBatch(*[torch.zeros(2, 1, 2, 2)] * 4, name=("a", "b"), label=label)
    report = JointLoss(ImageLabelLoss(), KBPNLoss(), aux_weight=0.5)(output, batch, tasks=["seg"])
    expected = (math.log(4) + math.log(4 / 3)) / 2
    assert report.terms["seg_aux"] == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(report.total, report.terms["seg_main"] + 0.5 * report.terms["seg_aux"])


@pytest.mark.parametrize("pooling", sorted(POOLINGS))
def test_joint_loss_with_labels_never_looks_at_masks(pooling: str) -> None:
    generator = torch.Generator().manual_seed(0)
    batch = DegradedBatch(
        lr=torch.rand(2, 3, 4, 4, generator=generator), hr=torch.rand(2, 3, 16, 16, generator=generator),
        mask=torch.full((2, 1, 16, 16), float("nan")), kernel=torch.full((2, 1, 3, 3), 1 / 9), name=("a", "b"),
        label=torch.tensor([1.0, 0.0]),
    )  # fmt: skip
    logits = torch.randn(2, 1, 16, 16, generator=generator, requires_grad=True)
    output = JointOutput(torch.rand(2, 3, 16, 16, generator=generator), batch.kernel, logits)
    report = JointLoss(ImageLabelLoss(pooling), KBPNLoss())(output, batch, beta=0.5)
    assert report.total.isfinite()
    expected = ImageLabelLoss(pooling)(logits, batch.label).mean()
    torch.testing.assert_close(report.terms["seg"], expected.detach())
    torch.testing.assert_close(report.total, 0.5 * report.terms["sr"] + 0.5 * expected)
