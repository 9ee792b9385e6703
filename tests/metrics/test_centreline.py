"""Agreement of centrelines: hand-worked cases, set arithmetic on dilated skeletons, and the two ways of counting."""

from __future__ import annotations

from functools import reduce
from operator import add

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import disk, skeletonize

from metrics.centreline import compare_centrelines


def line(row: int, first: int = 5, last: int = 45) -> np.ndarray:
    mask = np.zeros((30, 50), dtype=np.uint8)
    mask[row, first:last] = 1
    return mask


def cliou_predicted(prediction: np.ndarray, mask: np.ndarray, tolerance: float = 4) -> float:
    return compare_centrelines(prediction, mask, tolerance).cliou_predicted


def blobs(seed: int) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 80)), 2)
    return field > np.quantile(field, 0.85)


def test_tolerance() -> None:
    assert cliou_predicted(line(10), line(14)) == 1.0
    assert cliou_predicted(line(10), line(15)) == 0.0
    assert cliou_predicted(line(10), line(15), tolerance=5) == 1.0
    assert compare_centrelines(line(10), line(14)).cliou == 1.0
    assert compare_centrelines(line(10), line(15)).cliou == 0.0


def test_counts() -> None:
    # half of the 40 px line is found: 20 px right, the other 20 px missed but for 4 within the tolerance
    half, whole = line(10, 5, 25), line(10)
    assert cliou_predicted(half, whole) == pytest.approx(20 / (20 + 16))
    assert cliou_predicted(whole, half) == pytest.approx(24 / (24 + 16))
    # counted on the true line, the 4 are found
    assert compare_centrelines(half, whole).cliou == pytest.approx(24 / (24 + 16))
    assert compare_centrelines(whole, half).cliou == pytest.approx(20 / (20 + 16))
    thick = cv2.dilate(whole, np.ones((5, 5), np.uint8))
    assert cliou_predicted(thick, whole) == 1.0  # the width does not matter


def ladder(first: int, last: int) -> np.ndarray:
    """A strip 9 px high around row 20 that is full of holes: two rails, and a rung at every second column."""
    mask = np.zeros((40, 140), dtype=np.uint8)
    mask[16:25, first:last] = 1
    mask[17:24, first + 1 : last - 1 : 2] = 0
    return mask


def test_a_doubled_skeleton_gains_only_where_it_is_counted_itself() -> None:
    """Half of a crack is found, once by a line and once by a strip full of holes, all of it within 4 px."""
    truth = np.zeros((40, 140), dtype=np.uint8)
    truth[20, 20:120] = 1
    plain = np.zeros_like(truth)
    plain[20, 20:69] = 1
    once, doubled = compare_centrelines(plain, truth), compare_centrelines(ladder(20, 69), truth)
    assert doubled.predicted > 4 * once.predicted and doubled.right == doubled.predicted
    assert once.cliou == doubled.cliou == 0.53
    assert once.cliou_predicted == pytest.approx(0.51, abs=0.01)
    assert doubled.cliou_predicted == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_cliou_is_that_of_dilated_skeletons(seed: int) -> None:
    """OmniCrack30k's definition in its own terms, pooled: masks dilated by a disk, then the Jaccard index of sets."""
    pairs = [(blobs(2 * seed + 10 * i), blobs(2 * seed + 10 * i + 1)) for i in range(3)]
    intersection = union = 0
    for prediction, mask in pairs:
        predicted, truth = skeletonize(prediction), skeletonize(mask)
        hit = truth & ndimage.binary_dilation(predicted, disk(4))
        false = predicted & ~ndimage.binary_dilation(truth, disk(4))
        seen = hit | false
        intersection, union = intersection + (truth & seen).sum(), union + (truth | seen).sum()
    ours = reduce(add, (compare_centrelines(*pair) for pair in pairs)).cliou
    assert ours == pytest.approx(intersection / union, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_cldice_by_its_formula(seed: int) -> None:
    prediction, mask = blobs(seed), blobs(seed + 50)
    ours = compare_centrelines(prediction, mask).cldice
    precision = (skeletonize(prediction) * mask).sum() / skeletonize(prediction).sum()
    sensitivity = (skeletonize(mask) * prediction).sum() / skeletonize(mask).sum()
    assert ours == pytest.approx(2 * precision * sensitivity / (precision + sensitivity), abs=1e-12)
    assert ours == compare_centrelines(mask, prediction).cldice and 0 < ours < 1
    assert compare_centrelines(mask, mask).cldice == 1.0


def test_cldice_by_hand() -> None:
    half, whole = line(10, 5, 25), line(10)
    assert compare_centrelines(half, whole).cldice == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert compare_centrelines(line(3), line(10)).cldice == 0.0  # no tolerance


def test_empty_rules() -> None:
    nothing = np.zeros((30, 50))
    both = compare_centrelines(nothing, nothing)
    assert both.cliou == both.cliou_predicted == both.cldice == 1.0
    for one in (compare_centrelines(line(3), nothing), compare_centrelines(nothing, line(3))):
        assert one.cliou == one.cliou_predicted == one.cldice == 0.0
    with pytest.raises(ValueError, match="differ in size"):
        compare_centrelines(nothing, nothing.T)
