"""Topology losses: values by hand and by SciPy, breaks against edges, gradients, empty masks, precision, training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from contracts.errors import UserError
from losses.topology import TOPOLOGY_LOSSES, SkeletonRecall, SoftClDice, soft_skeleton, tubed_skeletons
from tests.helpers.runs import tiny, train_here

CROSS = ndimage.generate_binary_structure(2, 1)
NAMES = sorted(TOPOLOGY_LOSSES)


def bar(top: int, bottom: int, height: int = 20, width: int = 32) -> Tensor:
    """A mask [1,1,H,W] with a horizontal bar from row ``top`` to ``bottom``, 4 pixels short of both sides."""
    mask = torch.zeros(1, 1, height, width)
    mask[..., top : bottom + 1, 4:-4] = 1
    return mask


def drawn(samples: int = 3, side: int = 12, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Probabilities and masks of a slanting line three pixels wide, the last one empty."""
    generator = torch.Generator().manual_seed(0)
    prob = torch.rand(samples, 1, side, side, generator=generator, dtype=dtype)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = ((rows - columns).abs() < 2).to(dtype).expand(samples, 1, side, side).clone()
    mask[-1] = 0
    return prob, mask


# -- soft clDice ----------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [0, 1, 4])
def test_skeleton_is_that_of_scipys_grey_morphology(iterations: int) -> None:
    """The union of what openings take, as Shit et al. define it, by other means: 1 - product of what each leaves."""
    generator = np.random.default_rng(0)
    image = ndimage.uniform_filter(generator.random((15, 22)), 3)
    left, level = np.ones_like(image), image
    for _ in range(iterations + 1):
        eroded = ndimage.grey_erosion(level, footprint=CROSS, mode="constant", cval=np.inf)
        opened = ndimage.grey_dilation(eroded, size=3, mode="constant", cval=-np.inf)
        left *= 1 - np.maximum(level - opened, 0)
        level = eroded
    found = soft_skeleton(torch.from_numpy(image)[None, None], iterations)[0, 0]
    np.testing.assert_allclose(found, 1 - left, atol=1e-12)


@pytest.mark.parametrize(("width", "rows"), [(1, [8]), (2, [8, 9]), (3, [9]), (7, [11]), (8, [11, 12]), (9, [])])
def test_bars_have_their_middle_as_skeleton_up_to_twice_the_erosions_and_two(width: int, rows: list[int]) -> None:
    skeleton = soft_skeleton(bar(8, 7 + width, height=24), iterations=3)[0, 0, :, 16]
    assert skeleton.nonzero().flatten().tolist() == rows and set(skeleton.unique().tolist()) <= {0.0, 1.0}


def test_cldice_of_half_a_line_by_hand() -> None:
    """Lines are their own skeletons: of 8 pixels 4 are found, none is wrong; each count is raised by 1."""
    mask = torch.zeros(1, 1, 5, 12)
    mask[..., 2, 2:10] = 1
    prob = mask.clone()
    prob[..., 6:] = 0
    precision, sensitivity = (4 + 1) / (4 + 1), (4 + 1) / (8 + 1)
    expected = 1 - 2 * precision * sensitivity / (precision + sensitivity)
    assert SoftClDice()(prob, mask).item() == pytest.approx(expected, abs=1e-6)
    assert SoftClDice()(mask, prob).item() == pytest.approx(
        expected, abs=1e-6
    )  # precision and sensitivity change roles


def test_a_break_costs_more_than_a_shifted_edge() -> None:
    mask = bar(8, 12)
    broken, shifted, thinner = mask.clone(), bar(9, 13), bar(8, 11)
    broken[..., 14:18] = 0
    assert (broken - mask).abs().sum() < (thinner - mask).abs().sum() < (shifted - mask).abs().sum()
    loss = SoftClDice()
    assert loss(mask, mask).item() == 0.0
    assert loss(broken, mask).item() > 0.1
    assert loss(broken, mask).item() > 10 * max(loss(shifted, mask).item(), loss(thinner, mask).item())


def test_false_alarms_in_an_empty_mask_cost() -> None:
    """A wrong line of 8 pixels: precision 1/9, sensitivity 1."""
    prob = torch.zeros(1, 1, 5, 12)
    prob[..., 2, 2:10] = 1
    assert SoftClDice()(prob, torch.zeros_like(prob)).item() == pytest.approx(1 - 2 / 9 / (10 / 9))
    assert SoftClDice()(torch.zeros_like(prob), torch.zeros_like(prob)).item() == 0.0


# -- skeleton recall ------------------------------------------------------------------------------


def test_recall_is_the_counted_fraction() -> None:
    """A line of 8 pixels is its own tube: 5 are found, one by half."""
    mask = torch.zeros(1, 1, 5, 12)
    mask[..., 2, 2:10] = 1
    prob = torch.ones_like(mask)  # wrong everywhere else, which recall does not ask about
    prob[..., 7:] = 0
    prob[..., 7] = 0.5
    for tube in (0, 2):
        assert SkeletonRecall(tube)(prob, mask).item() == pytest.approx(1 - 5.5 / 8)


def test_tube_is_the_middle_of_a_wide_bar() -> None:
    """Two pixels to each side of the middle row of 11; without a tube that row alone, and never beyond the mask."""
    mask = bar(8, 18, height=30, width=60)
    middle = slice(20, 40)  # of the columns, far from the ends
    for tube, rows in ((0, 1), (2, 5), (20, 11)):
        found = tubed_skeletons(mask, tube)
        assert (found[..., middle].sum(2) == rows).all() and not (found > mask).any()
        centre = (found[0, 0, :, 30].nonzero().float().mean() - 13).abs().item()
        assert centre <= (1 if tube < 20 else 0)
    thin = bar(8, 10)
    assert tubed_skeletons(thin, 2)[..., 8:-8].equal(thin[..., 8:-8])  # all of it but corners


def test_off_the_tube_nothing_counts() -> None:
    prob, mask = drawn()
    prob.requires_grad_()
    SkeletonRecall()(prob, mask).sum().backward()
    tube = tubed_skeletons(mask, 2)
    pixels = tube.sum((1, 2, 3), keepdim=True).clamp(min=1)
    torch.testing.assert_close(prob.grad, -tube / pixels)


# -- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_costs_nothing_and_none_nearly_all(name: str) -> None:
    mask, loss = bar(8, 12), TOPOLOGY_LOSSES[name]()
    assert loss(mask, mask).item() == 0.0
    assert loss(torch.zeros_like(mask), mask).item() > 0.85


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_by_differences(name: str) -> None:
    prob, mask = drawn(side=7)
    loss = TOPOLOGY_LOSSES[name]()
    assert torch.autograd.gradcheck(lambda p: loss(p, mask), prob.requires_grad_())


@pytest.mark.parametrize("name", NAMES)
def test_split_batch_gives_the_same_values(name: str) -> None:
    prob, mask = drawn()
    loss = TOPOLOGY_LOSSES[name]()
    whole = loss(prob, mask)
    assert whole.shape == (3,) and whole.dtype == torch.float64
    torch.testing.assert_close(whole, torch.cat([loss(p[None], m[None]) for p, m in zip(prob, mask, strict=True)]))


@pytest.mark.parametrize("name", NAMES)
def test_several_maps_share_one_mask(name: str) -> None:
    prob, mask = drawn()
    twice = torch.cat([prob, prob], dim=1)
    loss = SoftClDice(smoothing=1e-9) if name == "soft_cldice" else SkeletonRecall()
    torch.testing.assert_close(loss(twice, mask)[:-1], loss(prob, mask)[:-1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("filled", [0.0, 1.0])
def test_empty_and_full_masks_are_finite(name: str, filled: float) -> None:
    mask = torch.full((1, 1, 8, 8), filled)
    for logit in (-1e4, 0.0, 1e4):
        logits = torch.full_like(mask, logit, requires_grad=True)
        value = TOPOLOGY_LOSSES[name]()(logits.sigmoid(), mask)
        value.sum().backward()
        assert value.isfinite().all() and logits.grad.isfinite().all()
        if name == "skeleton_recall" and not filled:
            assert value.item() == 0 and not logits.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_low_precision_is_computed_in_float32(name: str) -> None:
    prob, mask = drawn(dtype=torch.float32)
    loss, low = TOPOLOGY_LOSSES[name](), prob.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(low, mask)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(low.float(), mask), rtol=0, atol=0)


def test_mistakes_are_named() -> None:
    for make, message in (
        (lambda: SoftClDice(iterations=-1), "iterations -1 must be at least 0"),
        (lambda: SoftClDice(smoothing=0.0), "smoothing 0.0 above 0"),
        (lambda: SkeletonRecall(tube=-1), "tube -1 must be at least 0"),
    ):
        with pytest.raises(UserError, match=message):
            make()
    with pytest.raises(ValueError, match=r"expected \[B,1,H,W\]"):
        SkeletonRecall()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 8))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_lowers_its_term(name: str, tmp_path: Path) -> None:
    options = tiny(
        tmp_path,
        "train:stages=[{name: seg_hr}]",
        "train:total_iter=40",
        "train:optimizer:lr=0.01",
        "network_seg={type: fpn, encoder: plain, width: 8}",
        f"loss:topology={{type: {name}, weight: 1.0}}",
    )
    train_here(options)
    lines = (tmp_path / "experiments" / "tiny" / "metrics.jsonl").read_text().splitlines()
    terms = [line["train/seg_topology"] for line in map(json.loads, lines) if "train/seg_topology" in line]
    assert len(terms) == 40 and np.mean(terms[-10:]) < 0.8 * np.mean(terms[:5])
