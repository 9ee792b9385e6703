"""Overlap at 99 thresholds against direct computation, hand-worked cases and reference numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import sweep
from tools.parity.functions import SINGLE_PRECISION, check_metrics


def as_prob(levels: np.ndarray) -> np.ndarray:
    """A probability map with the given number of thresholds below each pixel."""
    return (levels + 0.5) / 100.0


def random_pair(seed: int, density: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    prob = rng.random((17, 23), dtype=np.float32)
    prob[:4] = np.round(prob[:4] * 100) / 100  # some exactly on a threshold
    return prob, rng.random((17, 23)) < density


def test_equals_thresholding_one_by_one() -> None:
    prob, mask = random_pair(0)
    counts = sweep.count(sweep.threshold_levels(prob), mask)
    for k, threshold in enumerate(sweep.THRESHOLDS.astype(np.float32)):
        predicted = prob > threshold
        assert counts.true_positive[k] == (predicted & mask).sum()
        assert counts.false_positive[k] == (predicted & ~mask).sum()
        assert counts.false_negative[k] == (~predicted & mask).sum()


def test_probability_on_a_threshold_is_not_above_it() -> None:
    on = sweep.THRESHOLDS.astype(np.float32)
    np.testing.assert_array_equal(sweep.threshold_levels(on), np.arange(99))
    np.testing.assert_array_equal(sweep.threshold_levels(np.nextafter(on, np.float32(1))), np.arange(1, 100))
    assert sweep.THRESHOLDS[sweep.HALF] == 0.5


def test_reference_numbers_subset(root: Path) -> None:
    data = np.load(root / "tests/fixtures/metrics.npz")
    for levels, mask, expected in zip(data["levels"], data["mask"], data["iou"], strict=True):
        ours = sweep.iou(sweep.count(sweep.threshold_levels(as_prob(levels)), mask))
        np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reference_numbers_full(shared: Path, dtype: torch.dtype) -> None:
    for name, ours, expected in check_metrics(np.load(shared / "parity/metrics.npz"), dtype):
        limit = 1e-5 if ("metrics", name) in SINGLE_PRECISION else 1e-9
        np.testing.assert_allclose(ours, expected, atol=limit, rtol=0, err_msg=name)


def test_hand_worked_two_by_two() -> None:
    counts = sweep.count(sweep.threshold_levels(np.array([[0.9, 0.6], [0.4, 0.1]])), np.eye(2))
    half = sweep.HALF  # predicted: the upper row; true: the diagonal
    assert sweep.iou(counts)[half] == pytest.approx(1 / 3, abs=1e-5)
    assert sweep.dice(counts)[half] == pytest.approx(1 / 2)
    assert sweep.precision(counts)[half] == sweep.recall(counts)[half] == pytest.approx(1 / 2)
    assert sweep.recall(counts)[5] == 1 and sweep.precision(counts)[5] == pytest.approx(1 / 2)


def test_empty_rules() -> None:
    nothing, everything = np.zeros((3, 4)), np.ones((3, 4))
    both = sweep.count(sweep.threshold_levels(nothing), nothing)
    assert (sweep.iou(both) == 1).all() and (sweep.dice(both) == 1).all()
    assert np.isnan(sweep.precision(both)).all() and np.isnan(sweep.recall(both)).all()
    missed = sweep.count(sweep.threshold_levels(nothing), everything)
    assert (sweep.dice(missed) == 0).all() and (sweep.recall(missed) == 0).all()
    full = sweep.count(sweep.threshold_levels(everything), everything)
    assert (sweep.iou(full) == 1).all() and (sweep.precision(full) == 1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_iou_is_at_most_dice_and_both_are_symmetric(seed: int, density: float) -> None:
    prob, mask = random_pair(seed, density)
    counts = sweep.count(sweep.threshold_levels(prob), mask)
    assert (sweep.iou(counts) <= sweep.dice(counts) + 1e-5).all()
    assert (np.diff(counts.true_positive + counts.false_positive) <= 0).all()
    predicted = prob > 0.5
    swapped = sweep.count(sweep.threshold_levels(mask.astype(float)), predicted)
    assert sweep.iou(swapped)[0] == pytest.approx(sweep.iou(counts)[sweep.HALF])
    assert sweep.dice(swapped)[0] == pytest.approx(sweep.dice(counts)[sweep.HALF])


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        sweep.count(sweep.threshold_levels(np.zeros((3, 4))), np.zeros((4, 3)))
    for wrong in (np.full((2, 2), 1.5), np.full((2, 2), -0.1), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            sweep.threshold_levels(wrong)
