"""Intervals that hold what they promise, and p-values against SciPy and hand-worked cases."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from comparison.statistics import Difference, Measured, difference, holm, smallest_p
from metrics.scores import evaluate_image


def means(values: NDArray) -> Measured:
    """A metric that is a mean over photographs, [S,N]."""
    return Measured(np.asarray(values, float), np.ones(np.shape(values)), np.ones(np.shape(values), bool))


def compared(ours: NDArray, theirs: NDArray, groups: NDArray | None = None, resamples: int = 4000) -> Difference:
    groups = np.arange(np.shape(ours)[1]) if groups is None else groups
    apart = difference(means(ours), means(theirs), groups, resamples=resamples)
    assert apart is not None
    return apart


def scores(random: np.random.Generator, seeds: int, images: NDArray, between: float, within: float) -> NDArray:
    """Scores of trainings that differ as a whole (between) and on each photograph (within), [S,N]."""
    return images + random.normal(0, between, (seeds, 1)) + random.normal(0, within, (seeds, len(images)))


def test_the_same_weights_twice_are_a_tie() -> None:
    values = np.random.default_rng(0).random((1, 60))
    apart = compared(values, values)
    assert apart.tie and (apart.low, apart.estimate, apart.high, apart.p) == (0, 0, 0, 1)
    assert apart.higher == 0.5 and apart.effect == 0
    two = np.random.default_rng(0).random((2, 60))
    assert compared(two, two).tie


def test_a_planted_difference_is_found() -> None:
    """Six of 300 photographs score lower, the others are equal."""
    theirs = np.random.default_rng(1).uniform(0.4, 0.8, (1, 300))
    ours = theirs.copy()
    ours[0, ::50] -= 0.3
    apart = compared(ours, theirs)
    assert apart.estimate == pytest.approx(-0.006) and not apart.tie and apart.high < 0
    assert apart.p == pytest.approx(2 / 2**6, abs=0.012)  # all six signs alike, in either direction
    assert apart.higher == pytest.approx((294 / 2) / 300)


def test_masks_shifted_by_three_pixels_are_found() -> None:
    """Two systems answer 300 drawn cracks alike, but for 2 % of the masks, which one of them shifts by 3 px."""
    random = np.random.default_rng(9)
    scores_of: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(300):
        mask = np.zeros((48, 48), np.uint8)
        ends = [(int(x), int(y)) for x, y in random.integers(0, 48, (2, 2))]
        cv2.line(mask, *ends, 1, int(random.integers(1, 5)))
        answer = np.clip(mask * 0.8 + random.normal(0.1, 0.15, mask.shape), 0, 1)
        shifted = np.roll(answer, 3, axis=1) if number % 50 == 0 else answer
        for name, prob in (("ours", shifted), ("theirs", answer)):
            scores_of[name].append(evaluate_image(prob, mask, surface_thresholds=None).values["iou"])
    apart = compared(np.array([scores_of["ours"]]), np.array([scores_of["theirs"]]))
    assert not apart.tie and apart.high < 0 and apart.p < 0.05


def test_two_halves_of_one_set_of_seeds_are_a_tie() -> None:
    random = np.random.default_rng(2)
    ties = 0
    for _ in range(40):
        images = random.normal(0.5, 0.15, 100)
        runs = scores(random, 6, images, 0.01, 0.05)
        ties += compared(runs[:3], runs[3:], resamples=1000).tie
    assert ties >= 36


@pytest.mark.parametrize(
    ("seeds", "images", "between", "within", "taste"),
    [
        ((1, 1), 60, 0.0, 0.05, 0.05),
        ((2, 2), 60, 0.01, 0.05, 0.05),
        ((3, 3), 118, 0.008, 0.1, 0.05),
        ((5, 3), 118, 0.02, 0.05, 0.05),
        ((5, 5), 40, 0.03, 0.1, 0.0),
    ],
)
def test_intervals_cover_the_truth_as_often_as_they_say(
    seeds: tuple[int, int], images: int, between: float, within: float, taste: float
) -> None:
    """95 % of 400 drawn comparisons, give or take three standard errors. ``taste``: how photographs suit one system."""
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        photographs = random.normal(0.5, 0.15, images)
        ours = scores(random, seeds[0], photographs + random.normal(0, taste, images), between, within)
        theirs = scores(random, seeds[1], photographs, between, within)
        covered += compared(ours, theirs, resamples=200).tie
    assert 0.95 - 0.04 <= covered / 400 <= 0.95 + 0.045


def test_one_training_each_is_the_paired_t_interval_of_scipy() -> None:
    random = np.random.default_rng(4)
    theirs = random.normal(0.5, 0.1, (1, 200))
    ours = theirs + random.normal(0.01, 0.05, (1, 200))
    apart = compared(ours, theirs, resamples=40_000)
    reference = stats.ttest_rel(ours[0], theirs[0])
    low, high = reference.confidence_interval(0.95)
    assert (apart.low, apart.high) == pytest.approx((low, high), abs=0.0004)
    assert apart.p == pytest.approx(reference.pvalue, abs=0.01)
    assert apart.effect == pytest.approx(reference.statistic / np.sqrt(200))


def test_many_seeds_on_many_photographs_are_welchs_interval_of_their_means() -> None:
    """With photographs that suit both alike and nothing within, only seeds are left."""
    random = np.random.default_rng(5)
    images = random.normal(0.5, 0.1, 500)
    ours, theirs = (scores(random, count, images, 0.02, 0.0) for count in (8, 5))
    apart = compared(ours, theirs, resamples=40_000)
    welch = stats.ttest_ind(ours.mean(1), theirs.mean(1), equal_var=False).confidence_interval(0.95)
    width = welch.high - welch.low
    assert apart.high - apart.low == pytest.approx(width, rel=0.1)
    assert (apart.low, apart.high) == pytest.approx((welch.low, welch.high), abs=0.1 * width)


def test_pieces_of_one_photograph_move_together() -> None:
    """40 photographs in ten pieces each: the interval is that of 40, not of 400."""
    random = np.random.default_rng(6)
    theirs = np.zeros((1, 400))
    ours = np.repeat(random.normal(0, 0.1, 40), 10)[None]
    grouped, alone = (compared(ours, theirs, groups) for groups in (np.repeat(np.arange(40), 10), np.arange(400)))
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.1)


def test_pooled_ratios_are_ratios_of_sums() -> None:
    random = np.random.default_rng(7)
    union = random.integers(100, 1000, (2, 80)).astype(float)
    hits = np.floor(union * random.uniform(0.4, 0.9, (2, 80)))
    ours, theirs = (Measured(hits[k : k + 1], union[k : k + 1], np.ones((1, 80), bool)) for k in (0, 1))
    apart = difference(ours, theirs, np.arange(80), resamples=20_000)
    assert apart is not None
    assert apart.estimate == pytest.approx(hits[0].sum() / union[0].sum() - hits[1].sum() / union[1].sum())
    picks = random.integers(0, 80, (20_000, 80))
    ratios = hits[:, picks].sum(2) / union[:, picks].sum(2)
    low, high = np.quantile(ratios[0] - ratios[1], [0.025, 0.975])
    assert (apart.low, apart.high) == pytest.approx((low, high), abs=0.01)


def test_photographs_to_which_a_metric_does_not_apply_are_left_out_in_both() -> None:
    ours, theirs = np.ones((1, 30)), np.zeros((1, 30))
    count = np.ones((1, 30))
    count[0, :10] = 0
    apart = difference(Measured(ours * count, count, count > 0), means(theirs), np.arange(30), resamples=500)
    assert apart is not None and apart.images == 20 and apart.estimate == 1
    assert difference(Measured(ours * 0, count * 0, count < 0), means(theirs), np.arange(30)) is None


def test_false_alarms_on_crack_free_photographs_count_in_pooled_ratios() -> None:
    """30 photographs alike; on 30 crack-free ones one system alone has false alarms: 100 / (200 + 500), not 1/2."""
    hits = np.concatenate([np.full(30, 100.0), np.zeros(30)])[None]
    without = np.concatenate([np.full(30, 200.0), np.zeros(30)])[None]
    alarms = np.concatenate([np.full(30, 200.0), np.full(30, 500.0)])[None]
    everywhere = np.ones((1, 60), bool)
    apart = difference(Measured(hits, alarms, everywhere), Measured(hits, without, everywhere), np.arange(60))
    assert apart is not None and apart.images == 60
    assert (apart.system, apart.reference) == pytest.approx((1 / 7, 1 / 2)) and apart.high < 0


def test_fewer_than_five_photographs_get_no_interval() -> None:
    apart = compared(np.ones((1, 4)), np.zeros((1, 4)), resamples=200)
    assert np.isnan(apart.low) and np.isnan(apart.high) and apart.tie and apart.estimate == 1


def test_seeds_are_exchanged_too() -> None:
    """Three against three: of 20 ways to part six trainings, two are as extreme; photographs alone would say < .001."""
    random = np.random.default_rng(8)
    theirs = scores(random, 3, random.normal(0.5, 0.1, 100), 0.0, 0.01)
    apart = compared(theirs + 0.1, theirs)
    assert apart.p == pytest.approx(2 / 20) == smallest_p((3, 3))
    assert smallest_p((5, 5)) == pytest.approx(2 / 252) and smallest_p((1, 5)) == 0
    apart = compared(theirs[:2] + 0.1, theirs)
    assert apart.p == pytest.approx(0.2) == smallest_p((2, 3))


def test_holm_by_hand() -> None:
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0]) and holm(np.array([])).size == 0
