"""Interpolated probabilities and their logits: exact in both tails, with a gradient wherever they saturate."""

from __future__ import annotations

from decimal import Decimal, getcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.probability import LARGEST_LOGIT, both_probabilities, logits_of


def enlarged(logits: Tensor, size: tuple[int, int], align_corners: bool = True) -> Tensor:
    """What the networks do: interpolate after the sigmoid, and go back to logits."""
    return logits_of(F.interpolate(both_probabilities(logits), size, mode="bilinear", align_corners=align_corners))


def exact_middle(left: float, right: float) -> float:
    """The logit of the mean of two probabilities, from 60 digits."""
    getcontext().prec = 60
    p = sum(1 / (1 + (-Decimal(x)).exp()) for x in (left, right)) / 2
    return float(p.ln() - (1 - p).ln())


@pytest.mark.parametrize(
    ("one", "other"), [(0.5, -2.0), (6.5, 7.0), (12.0, 12.25), (20.0, 30.0), (-20.0, -31.0), (25.0, -25.0), (55.0, 50)]
)
def test_is_the_logit_of_the_interpolated_probability(one: float, other: float) -> None:
    for dtype, relative in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        middle = enlarged(torch.tensor([one, other], dtype=dtype).view(1, 1, 1, 2), (1, 3))[0, 0, 0, 1]
        assert middle.item() == pytest.approx(exact_middle(one, other), rel=relative, abs=relative)


@pytest.mark.parametrize("align_corners", [True, False])
def test_agrees_with_the_plain_way_where_that_is_exact(align_corners: bool) -> None:
    logits = 3 * torch.randn(2, 1, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain = F.interpolate(logits.sigmoid(), (11, 17), mode="bilinear", align_corners=align_corners).logit()
    torch.testing.assert_close(enlarged(logits, (11, 17), align_corners), plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 12.0])
@pytest.mark.parametrize("align_corners", [True, False])
def test_the_gradient_is_that_by_differences(scale: float, align_corners: bool) -> None:
    logits = scale * torch.randn(1, 1, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda x: enlarged(x, (7, 5), align_corners), logits.requires_grad_())


@pytest.mark.parametrize("value", [30.0, 88.0, 1000.0, 3e38])
def test_saturated_logits_are_finite_and_learn(value: float) -> None:
    for sign in (1.0, -1.0):
        logits = torch.full((1, 1, 2, 3), sign * value, requires_grad=True)
        found = enlarged(logits, (16, 24))
        torch.testing.assert_close(found, torch.full_like(found, sign * min(value, LARGEST_LOGIT)))
        found.mean().backward()
        torch.testing.assert_close(logits.grad.sum(), torch.tensor(1.0), rtol=1e-4, atol=0)


def test_opposite_extremes_side_by_side_stay_finite() -> None:
    logits = torch.tensor([[[[1e4, -1e4], [-90.0, 90.0]]]], requires_grad=True)
    found = enlarged(logits, (64, 64))
    found.abs().sum().backward()
    assert found.isfinite().all() and logits.grad.isfinite().all() and (logits.grad != 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    logits = torch.tensor([6.5, 12.0], dtype=dtype).view(1, 1, 1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found = enlarged(logits, (1, 5))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, enlarged(logits.float(), (1, 5)))
