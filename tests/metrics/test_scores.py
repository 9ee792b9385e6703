"""Scores of one image, and their summary over a data set."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import names, sweep
from metrics.accumulator import Accumulator
from metrics.scores import evaluate_image
from metrics.surface import SurfaceTarget, surface


def image(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = np.zeros((24, 32), np.uint8)
    mask[8:12, 3:28] = 1
    return np.clip(0.6 * mask + 0.4 * rng.random(mask.shape) - 0.05, 0, 1).astype(np.float32), mask


NOTHING = np.zeros((24, 32), np.float32)
AT_HALF = {name for name, metric in names.METRICS.items() if metric.of == "mask"}


def test_values_at_half() -> None:
    prob, mask = image()
    scores = evaluate_image(prob, mask)
    predicted, true = prob > 0.5, mask == 1
    both = (predicted & true).sum()
    assert set(scores.values) == AT_HALF
    assert scores.values[names.DICE] == pytest.approx(2 * both / (predicted.sum() + true.sum()))
    assert scores.values[names.IOU] == pytest.approx(both / (predicted | true).sum(), abs=1e-5)
    assert scores.values[names.PRECISION] == pytest.approx(both / predicted.sum())
    assert scores.values[names.RECALL] == pytest.approx(both / true.sum())
    assert scores.values[names.ACCURACY] == pytest.approx((predicted == true).mean())
    missed, false = (true & ~predicted).sum(), (predicted & ~true).sum()
    assert scores.confusion == (both, false, missed, (~predicted & ~true).sum())
    expected = SurfaceTarget(true).distance(surface(predicted))
    assert (scores.values[names.HD95], scores.values[names.ASSD]) == expected
    assert scores.hd_curve[sweep.HALF] == expected.hausdorff and scores.outliers == 0


def test_inapplicable_metrics_are_absent() -> None:
    prob, mask = image()
    both_empty = evaluate_image(NOTHING, NOTHING)
    assert names.PRECISION not in both_empty.values and names.RECALL not in both_empty.values
    assert both_empty.values[names.DICE] == both_empty.values[names.IOU] == 1.0
    assert both_empty.values[names.HD95] == 0.0 and both_empty.values[names.CLIOU_PREDICTED] == 1.0
    assert both_empty.half.centrelines.cliou == both_empty.values[names.NSD] == 1.0
    missed = evaluate_image(NOTHING, mask)
    assert names.PRECISION not in missed.values and missed.values[names.RECALL] == 0.0
    invented = evaluate_image(prob, NOTHING)
    assert names.RECALL not in invented.values and invented.values[names.PRECISION] == 0.0


@pytest.mark.parametrize(("empty", "expected"), [("diagonal", 40.0), ("width", 32.0)])
def test_exactly_one_empty(empty: str, expected: float) -> None:
    _, mask = image()
    scores = evaluate_image(NOTHING, mask, empty=empty)
    assert scores.values[names.HD95] == scores.values[names.ASSD] == expected
    assert (scores.hd_curve == expected).all() and scores.outliers == 1


def test_surface_thresholds() -> None:
    prob, mask = image()
    every = evaluate_image(prob, mask).hd_curve
    tenth = evaluate_image(prob, mask, surface_thresholds=10).hd_curve
    computed = np.flatnonzero(~np.isnan(tenth))
    assert computed.tolist() == list(range(9, 99, 10)) and sweep.HALF in computed
    np.testing.assert_array_equal(tenth[computed], every[computed])
    none = evaluate_image(prob, mask, surface_thresholds=None)
    assert none.hd_curve is None and none.values[names.HD95] == every[sweep.HALF]
    with pytest.raises(ValueError, match="surface_thresholds"):
        evaluate_image(prob, mask, surface_thresholds=0)


def test_grey_mask_counts_above_half() -> None:
    prob, mask = image()
    grey = np.where(mask == 1, 0.6, 0.4)
    assert evaluate_image(prob, grey).values == evaluate_image(prob, mask).values


def filled() -> Accumulator:
    accumulator = Accumulator()
    for seed in range(2):
        accumulator.add(f"crack_{seed}", evaluate_image(*image(seed)), {names.PSNR: 20.0 + seed})
    accumulator.add("none", evaluate_image(NOTHING, NOTHING), {names.PSNR: float("inf")})
    accumulator.add("missed", evaluate_image(NOTHING, image()[1]))
    return accumulator


def test_summary_is_over_images_at_one_common_threshold() -> None:
    accumulator = filled()
    summary, curves = accumulator.summary(), accumulator.curves()
    iou = np.array(curves[names.IOU])
    assert summary[names.IOU_MAX] == iou.max()
    assert summary[names.IOU_MAX_THRESHOLD] == curves["threshold"][int(iou.argmax())]
    assert summary[names.AIU] == pytest.approx(iou.mean())
    assert summary[names.HD95_MIN] == pytest.approx(min(curves[names.HD95]))
    assert summary[names.AHD95] == pytest.approx(np.mean(curves[names.HD95]))
    assert summary[names.HD95_OUTLIERS] == 1 and summary[names.IMAGES] == 4
    assert summary[names.PSNR] == 20.5  # only where it applies
    assert sum(summary[name] for name in names.CONFUSION) == 4 * 24 * 32
    assert summary["true_positives"] + summary["false_negatives"] == 3 * 4 * 25  # the crack of three images
    assert all(isinstance(value, float) and np.isfinite(value) for value in summary.values())


def test_rows_average_to_the_summary() -> None:
    accumulator = filled()
    rows, summary = accumulator.rows(), accumulator.summary()
    assert [row["name"] for row in rows] == ["crack_0", "crack_1", "none", "missed"]
    per_image = AT_HALF | {names.IOU_MAX, names.AIU, names.AHD95, names.PSNR}
    for key in per_image:
        values = [row[key] for row in rows if key in row]
        assert np.mean(values) == pytest.approx(summary[key]), key
    assert names.PSNR not in rows[2] and names.PRECISION not in rows[3]


def test_summary_without_sweep_or_images() -> None:
    accumulator = Accumulator()
    assert accumulator.summary() == {} and accumulator.rows() == [] and accumulator.curves() == {}
    accumulator.add("a", evaluate_image(*image(), surface_thresholds=None))
    summary = accumulator.summary()
    assert names.HD95 in summary and names.AHD95 not in summary and names.HD95_MIN not in summary
    assert names.HD95 not in accumulator.curves() and names.AHD95 not in accumulator.rows()[0]


def test_same_keys_for_every_experiment() -> None:
    summary = filled().summary()
    of_masks = {name for name, metric in names.METRICS.items() if metric.of not in ("image", "kernel", "loss")}
    others = {names.IOU_MAX_THRESHOLD, names.ODS_THRESHOLD, names.PSNR, names.IMAGES, *names.CONFUSION}
    assert set(summary) == of_masks | others


def test_draws_of_an_image_count_as_one_image() -> None:
    """Two images in three draws each, one of them without a crack: numbers of images are means over draws."""
    prob, empty = np.zeros((8, 8)), np.zeros((8, 8))
    mask = np.eye(8)
    accumulator = Accumulator()
    for draw in range(3):
        for name, truth in (("crack", mask), ("none", empty)):
            accumulator.add(name, evaluate_image(prob, truth), facts={names.DRAW: draw})
    summary, rows = accumulator.summary(), accumulator.rows()
    assert (summary[names.IMAGES], summary[names.EMPTY_MASKS]) == (2, 1)
    assert (summary[names.EMPTY_PREDICTIONS], summary[names.HD95_OUTLIERS]) == (2, 1)
    assert sum(summary[name] for name in names.CONFUSION) == 2 * 64  # pixels of the images, not of all draws
    assert [row[names.DRAW] for row in rows] == [0, 0, 1, 1, 2, 2] and names.DRAW not in summary
