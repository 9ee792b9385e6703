"""Figures of whole sets against the same pixels laid end to end, and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from metrics import pooled, sweep
from metrics.calibration import reliability


def images(number: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """Probability maps and masks of different sizes; the last one without a crack."""
    found = []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        field = ndimage.gaussian_filter(rng.random((20 + 5 * seed, 30)), 2)
        truth = field > np.quantile(field, 0.9)
        found.append((np.clip(0.4 * truth + 0.6 * rng.random(truth.shape), 0, 1).astype(np.float32), truth))
    found.append((found[0][0] * np.float32(0.5), np.zeros_like(found[0][1])))
    return found


def counted(pairs: list[tuple[np.ndarray, np.ndarray]]) -> sweep.Counts:
    return pooled.stacked([sweep.count(sweep.threshold_levels(prob), truth) for prob, truth in pairs])


def end_to_end() -> tuple[np.ndarray, np.ndarray]:
    prob, truth = (np.concatenate([one.ravel() for one in side]) for side in zip(*images(), strict=True))
    return prob, truth


def test_pooled_is_one_image_of_all_pixels() -> None:
    prob, truth = end_to_end()
    total = pooled.pooled(counted(images()))
    whole = sweep.count(sweep.threshold_levels(prob[None]), truth[None])
    for name in ("true_positive", "false_positive", "false_negative"):
        np.testing.assert_array_equal(getattr(total, name), getattr(whole, name))
    assert total.pixels == whole.pixels == len(prob)


def test_iou_and_two_class_iou_by_sets() -> None:
    counts = counted(images())
    for k in (0, 20, 49, 80):
        for i, (prob, truth) in enumerate(images()):
            predicted = prob > np.float32(sweep.THRESHOLDS[k])
            ratios = []
            for a, b in ((predicted, truth), (~predicted, ~truth)):
                ratios.append((a & b).sum() / (a | b).sum() if (a | b).any() else 1.0)
            assert pooled.iou(counts)[i, k] == pytest.approx(ratios[0], abs=1e-12)
            assert pooled.two_class_iou(counts)[i, k] == pytest.approx(np.mean(ratios), abs=1e-12)


def test_a_prediction_without_cracks_has_a_two_class_iou_of_nearly_half() -> None:
    truth = np.zeros((10, 10), bool)
    truth[0, :2] = True
    counts = sweep.count(sweep.threshold_levels(np.zeros((10, 10))), truth)
    assert pooled.two_class_iou(counts)[sweep.HALF] == pytest.approx(0.98 / 2)
    assert pooled.iou(counts)[sweep.HALF] == 0.0
    full = sweep.count(sweep.threshold_levels(np.ones((10, 10))), np.ones((10, 10)))
    assert pooled.two_class_iou(full)[sweep.HALF] == 1.0  # no background anywhere


def average_precision_by_ranking(score: np.ndarray, truth: np.ndarray) -> float:
    """scikit-learn's definition, written out: at every distinct score, precision times the gain in recall."""
    area, last = 0.0, 0.0
    for value in np.unique(score)[::-1]:
        called = score >= value
        recall = (called & truth).sum() / truth.sum()
        area += (recall - last) * (called & truth).sum() / called.sum()
        last = recall
    return area


def test_average_precision_by_ranking() -> None:
    prob, truth = end_to_end()
    levels = sweep.threshold_levels(prob)
    ours = pooled.average_precision(pooled.pooled(counted(images())))
    assert ours == pytest.approx(average_precision_by_ranking(levels, truth), abs=1e-12)
    assert ours == pytest.approx(average_precision_by_ranking(prob, truth), abs=0.01)  # without quantisation


def test_average_precision_by_hand() -> None:
    prob, truth = np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[1, 0, 1, 0]])
    counts = sweep.count(sweep.threshold_levels(prob), truth)
    assert pooled.average_precision(counts) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    perfect = sweep.count(sweep.threshold_levels(np.array([[0.9, 0.1]])), np.array([[1, 0]]))
    assert pooled.average_precision(perfect) == 1.0
    chance = sweep.count(sweep.threshold_levels(np.full((1, 4), 0.5)), truth)
    assert pooled.average_precision(chance) == 0.5  # the share of crack pixels
    assert np.isnan(pooled.average_precision(sweep.count(sweep.threshold_levels(prob), np.zeros((1, 4)))))


def test_thresholds_by_index() -> None:
    assert [pooled.threshold_index(one) for one in (0.01, 0.5, 0.37, 0.99)] == [0, sweep.HALF, 36, 98]
    for wrong in (0.0, 1.0, 0.375, -0.5):
        with pytest.raises(ValueError, match="give one of 0.01"):
            pooled.threshold_index(wrong)


def test_crack_free_images() -> None:
    assert pooled.crack_free(counted(images())).tolist() == [False, False, False, True]


# -- calibration ----------------------------------------------------------------------------------


def calibration_by_bins(confidence: np.ndarray, right: np.ndarray) -> float:
    """The formula of Guo et al. with a loop over 15 bins."""
    error = 0.0
    for low in range(15):
        inside = (confidence >= low / 15) & ((confidence < (low + 1) / 15) | (low == 14))
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


def test_calibration_by_bins() -> None:
    prob, truth = end_to_end()
    first, *others = (reliability(*pair) for pair in images())
    total = first
    for other in others:
        total = total + other
    exact = prob.astype(np.float64)
    confidence, right = np.maximum(exact, 1 - exact), (prob > 0.5) == truth
    assert total.error() == pytest.approx(calibration_by_bins(confidence, right), abs=1e-6)
    assert total.crack_error() == pytest.approx(calibration_by_bins(exact, truth), abs=1e-6)


def test_calibration_by_hand() -> None:
    prob = np.full((1, 10), 0.8)
    truth = np.zeros((1, 10), bool)
    truth[0, :6] = True
    assert reliability(prob, truth).error() == pytest.approx(0.2)
    assert reliability(prob, truth).crack_error() == pytest.approx(0.2)
    certain = reliability(truth.astype(float), truth)
    assert certain.error() == certain.crack_error() == 0.0
    low = reliability(np.full((1, 10), 0.4), truth)  # called background with .6, right for 4 of 10
    assert low.error() == pytest.approx(0.2) and low.crack_error() == pytest.approx(0.2)
