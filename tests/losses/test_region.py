"""Region, boundary and combo losses: reference numbers, hand-worked cases, gradients, invariants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UserError
from data.distance import signed_distance_map
from losses.combo import SEGMENTATION_LOSSES, BoundaryCombo, RegionCombo
from losses.region import background_ratio, bce, boundary, dice, generalised_dice, weighted_bce
from tools.parity.functions import SINGLE_PRECISION, check_losses

EMPTY, FULL = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)


def batch(size: int = 3, side: int = 12, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    """Probabilities, masks (the last one empty) and signed distances."""
    generator = torch.Generator().manual_seed(0)
    prob = torch.rand(size, 1, side, side, generator=generator, dtype=dtype) * 0.98 + 0.01
    mask = torch.zeros(size, 1, side, side, dtype=dtype)
    mask[:-1, :, 3:9, 2:7] = 1
    distance = torch.stack([torch.from_numpy(signed_distance_map(m[0].numpy()))[None] for m in mask])
    return prob, mask, distance.to(dtype)


def test_ratio_lets_crack_and_background_weigh_the_same() -> None:
    """Per sample: the mean of the two classes' mean cross-entropies, times a constant; without a crack plain."""
    prob, mask, _ = batch()
    found = RegionCombo(region_weight=0.0, positive="ratio")(prob.logit(), mask, None, 1.0)
    for value, p, y in zip(found[:-1], prob, mask, strict=False):
        ratio = float((1 - y).sum() / y.sum())
        crack, background = -torch.log(p[y == 1]).mean(), -torch.log(1 - p[y == 0]).mean()
        share = float(y.mean())
        expected = (ratio * share * crack + (1 - share) * background) / (ratio + 1)
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
        assert ratio * share == pytest.approx(1 - share)
    torch.testing.assert_close(found[-1], weighted_bce(prob.logit(), mask)[-1])
    assert background_ratio(torch.ones(1, 1, 2, 2)).item() == 1.0


def test_reference_numbers_subset(root: Path) -> None:
    data = np.load(root / "tests/fixtures/losses.npz")
    prob = torch.from_numpy(data["prob"] / 65535.0)
    mask = torch.from_numpy(data["mask"]).double()
    distance = torch.stack([torch.from_numpy(signed_distance_map(m[0].numpy()))[None] for m in mask])
    ours = {
        "weighted_bce_1_1": weighted_bce(prob.logit(), mask),
        "dice_p2": dice(prob, mask),
        "generalized_dice": generalised_dice(prob, mask),
        "boundary": boundary(prob, distance),
        **{f"boundary_combo_alpha_{a}": BoundaryCombo()(prob.logit(), mask, distance, a) for a in (1.0, 0.5, 0.01)},
    }
    for name, value in ours.items():
        np.testing.assert_allclose(value, data[name], atol=2e-6, err_msg=name)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-6), (torch.float64, 1e-8)])
def test_reference_numbers_full(shared: Path, dtype: torch.dtype, limit: float) -> None:
    for name, ours, expected in check_losses(np.load(shared / "parity/losses.npz"), dtype):
        tolerance = 1e-6 if ("losses", name) in SINGLE_PRECISION else limit
        np.testing.assert_allclose(ours, expected, atol=tolerance, rtol=0, err_msg=name)


def test_hand_worked_two_by_two() -> None:
    prob = torch.tensor([[[[0.5, 0.25], [0.0, 1.0]]]], dtype=torch.float64)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]], dtype=torch.float64)
    logits = torch.tensor([[[[0.0, -np.log(3)], [-60.0, 60.0]]]], dtype=torch.float64)
    cross_entropy = -(np.log(0.5) + np.log(0.75)) / 4  # the other two pixels are right
    np.testing.assert_allclose(bce(logits, mask), cross_entropy, atol=1e-12)
    np.testing.assert_allclose(weighted_bce(logits, mask), cross_entropy / 2, atol=1e-12)
    positives_only = -np.log(0.5) / 4
    np.testing.assert_allclose(weighted_bce(logits, mask, positive=1, negative=0), positives_only, atol=1e-12)
    np.testing.assert_allclose(dice(prob, mask), 1 - 3.0 / (1.3125 + 2), atol=1e-6)
    np.testing.assert_allclose(generalised_dice(prob, mask), 1 - 3.0 / (1.75 + 2), atol=2e-5)
    distance = torch.tensor([[[[-1.0, 0.5], [1.0, 0.0]]]])
    np.testing.assert_allclose(boundary(prob, distance), (-0.5 + 0.125) / 4, atol=1e-12)


def test_bce_is_torch_bce() -> None:
    prob, mask, _ = batch()
    expected = torch.nn.functional.binary_cross_entropy(prob, mask, reduction="none").mean(dim=(1, 2, 3))
    torch.testing.assert_close(SEGMENTATION_LOSSES["bce"]()(prob.logit(), mask, None, 1.0), expected)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_the_gradient_is_that_by_differences(name: str) -> None:
    prob, mask, distance = batch(side=10)
    loss = SEGMENTATION_LOSSES[name]()
    logits = prob.logit().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, mask, distance, 0.3), logits)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_split_batch_gives_the_same_values(name: str) -> None:
    prob, mask, distance = batch()
    loss = SEGMENTATION_LOSSES[name]()
    logits = prob.logit()
    whole = loss(logits, mask, distance, 0.3)
    parts = [loss(logits[i : i + 1], mask[i : i + 1], distance[i : i + 1], 0.3) for i in range(3)]
    assert whole.shape == (3,)
    torch.testing.assert_close(whole, torch.cat(parts), atol=1e-14, rtol=0)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
@pytest.mark.parametrize("mask", [EMPTY, FULL])
def test_saturated_predictions_keep_finite_values_and_gradients(name: str, mask: torch.Tensor) -> None:
    for extreme in (-1e4, -90.0, 90.0, 1e4):
        logits = torch.full_like(mask, extreme, requires_grad=True)
        value = SEGMENTATION_LOSSES[name]()(logits, mask, torch.zeros_like(mask), 0.5)
        value.sum().backward()
        assert value.isfinite().all() and logits.grad.isfinite().all()


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_low_precision_input_is_computed_in_float32(name: str) -> None:
    prob, mask, distance = batch(dtype=torch.float32)
    low = prob.logit().bfloat16()
    loss = SEGMENTATION_LOSSES[name]()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(low, mask, distance, 0.5)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(low.float(), mask, distance, 0.5))


def test_combo_is_the_stated_mixture() -> None:
    prob, mask, distance = batch()
    logits = prob.logit()
    region = (2 * weighted_bce(logits, mask, 20, 1) + 3 * generalised_dice(prob, mask)) / 5
    expected = 0.2 * region + 0.8 * boundary(prob, distance)
    combo = BoundaryCombo("generalised_dice", bce_weight=2, region_weight=3, positive=20, negative=1)
    torch.testing.assert_close(combo(logits, mask, distance, 0.2), expected)
    torch.testing.assert_close(
        SEGMENTATION_LOSSES["boundary_dice"]()(logits, mask, distance, 0.2),
        0.2 * dice(prob, mask) + 0.8 * boundary(prob, distance),
    )
    torch.testing.assert_close(
        SEGMENTATION_LOSSES["combo"]()(logits, mask, None, 0.2), (weighted_bce(logits, mask) + dice(prob, mask)) / 2
    )


def test_several_side_maps_share_one_mask() -> None:
    prob, mask, distance = batch()
    sides = torch.cat([prob, prob.flip(-1)], dim=1)  # [3,2,12,12]
    each = [weighted_bce(p, mask) for p in sides.split(1, dim=1)]
    torch.testing.assert_close(weighted_bce(sides, mask), (each[0] + each[1]) / 2)
    torch.testing.assert_close(dice(sides, mask), dice(sides, mask.expand_as(sides)))
    assert boundary(sides, distance).shape == (3,)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_losses_lie_in_their_ranges(seed: int, density: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    prob = torch.rand(2, 1, 6, 6, generator=generator, dtype=torch.float64)
    mask = (torch.rand(2, 1, 6, 6, generator=generator) < density).double()
    for loss in (dice, generalised_dice):
        value = loss(prob, mask)
        assert ((value >= -1e-9) & (value <= 1 + 1e-9)).all()
    assert (weighted_bce(prob.logit(), mask) >= 0).all()
    assert dice(mask, mask).abs().max() < 1e-9


def test_mistakes_are_named() -> None:
    prob, mask, _ = batch()
    with pytest.raises(ValueError, match=r"expected \[B,1,H,W\].*received \(3, 1, 12, 6\)"):
        dice(prob, mask[..., :6])
    with pytest.raises(ValueError, match="distance=True"):
        BoundaryCombo()(prob.logit(), mask, None, 0.5)
    with pytest.raises(UserError, match="did you mean 'dice'"):
        RegionCombo(region="dise")
    with pytest.raises(UserError, match="positive sum"):
        RegionCombo(bce_weight=0, region_weight=0)
