"""Intervals against SciPy's bootstrap and Wilson's formula; paired ratios and differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from tools.release.intervals import (
    LEVEL,
    RESAMPLES,
    SEED,
    best_and_mean_of,
    mean_of,
    ratio_of_sums,
    resamples,
    share_of,
)
from tools.release.tables import cell

RNG = np.random.default_rng(7)
VALUES = RNG.beta(2, 3, 41)
CURVES = np.sort(RNG.random((41, 99)), axis=1)[:, ::-1] * VALUES[:, None]


def interval_of(samples: tuple[np.ndarray, ...], statistic, paired: bool = False) -> tuple[float, float]:
    """SciPy's percentile interval; it draws the indices of resamples as ``resamples`` does."""
    way = {"n_resamples": RESAMPLES, "confidence_level": LEVEL, "method": "percentile", "vectorized": False}
    interval = bootstrap(samples, statistic, paired=paired, rng=np.random.default_rng(SEED), **way).confidence_interval
    return interval.low, interval.high


def bounds(figure: dict) -> tuple[float, float]:
    return figure["low"], figure["high"]


def test_mean_has_the_interval_of_scipy() -> None:
    figure = mean_of(VALUES).figure()
    assert figure["mean"] == pytest.approx(VALUES.mean()) and figure["images"] == 41
    assert bounds(figure) == pytest.approx(interval_of((VALUES,), np.mean), abs=1e-9)


def test_values_that_do_not_apply_are_left_out_of_every_resample() -> None:
    values = VALUES.copy()
    values[::5] = np.nan
    figure = mean_of(values).figure()
    assert figure["mean"] == pytest.approx(np.nanmean(values)) and figure["images"] == 41 - 9
    assert bounds(figure) == pytest.approx(interval_of((values,), np.nanmean), abs=1e-9)
    nowhere = mean_of(np.full(5, np.nan)).figure()
    assert nowhere == {"mean": None, "low": None, "high": None, "images": 0}


def test_ratio_of_sums_has_the_interval_of_scipy() -> None:
    wholes = RNG.integers(50, 200, 41)
    parts = RNG.binomial(wholes, VALUES)
    figure = ratio_of_sums(parts, wholes).figure()
    assert figure["mean"] == pytest.approx(parts.sum() / wholes.sum()) and figure["images"] == 41
    expected = interval_of((parts, wholes), lambda part, whole: part.sum() / whole.sum(), paired=True)
    assert bounds(figure) == pytest.approx(expected, abs=1e-9)


def test_a_single_photograph_has_no_interval() -> None:
    values = np.full(30, np.nan)
    values[4] = 0.75
    assert mean_of(values).figure() == {"mean": 0.75, "low": None, "high": None, "images": 1}


def test_cells_tell_figures_of_fewer_photographs() -> None:
    figure = {"mean": 0.7031, "low": 0.69, "high": 0.7154, "images": 12}
    assert cell(figure) == cell(figure, images=12) == "0.703 (0.690 to 0.715)"
    assert cell(figure, 2, images=41) == "0.70 (0.69 to 0.72) of 12"
    assert cell({"mean": 1.0, "low": None, "high": None, "images": 1}, images=41) == "1.000 of 1"
    assert cell(None) == cell({"mean": None, "low": None, "high": None, "images": 0}) == "-"


def test_the_best_threshold_is_chosen_in_every_resample() -> None:
    best, area = (one.figure() for one in best_and_mean_of(CURVES))
    places = np.arange(41)

    def best_of(chosen: np.ndarray) -> float:
        return CURVES[chosen].mean(axis=0).max()

    assert best["mean"] == pytest.approx(best_of(places)) and area["mean"] == pytest.approx(CURVES.mean())
    assert bounds(best) == pytest.approx(interval_of((places,), best_of), abs=1e-9)
    assert bounds(area) == pytest.approx(interval_of((CURVES.mean(axis=1),), np.mean), abs=1e-9)


def test_ratio_and_difference_are_paired() -> None:
    degraded = 0.9 * VALUES + 0.02 * RNG.standard_normal(41)
    ratio, difference = mean_of(degraded).over(mean_of(VALUES)), mean_of(degraded).minus(mean_of(VALUES))
    expected = interval_of((degraded, VALUES), lambda a, b: a.mean() / b.mean(), paired=True)
    assert bounds(ratio.figure()) == pytest.approx(expected, abs=1e-9)
    assert ratio.figure()["mean"] == pytest.approx(degraded.mean() / VALUES.mean())
    assert bounds(difference.figure()) == pytest.approx(interval_of((degraded - VALUES,), np.mean), abs=1e-9)
    apart = interval_of((degraded, VALUES), lambda a, b: a.mean() / b.mean())
    assert ratio.figure()["high"] - ratio.figure()["low"] < 0.3 * (apart[1] - apart[0])


def test_a_ratio_to_nothing_does_not_apply() -> None:
    figure = mean_of(VALUES).over(mean_of(np.zeros(41))).figure()
    assert figure == {"mean": None, "low": None, "high": None, "images": 41}


@pytest.mark.parametrize(("hits", "images"), [(0, 1000), (3, 20), (20, 20)])
def test_shares_have_wilsons_interval(hits: int, images: int) -> None:
    z, share = 1.959963984540054, hits / images
    middle = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    figure = share_of(hits, images)
    assert bounds(figure) == pytest.approx((max(0, middle - half), min(1, middle + half)), abs=1e-9)
    assert figure["mean"] == share and figure["images"] == images


def test_resamples_are_the_same_for_sets_of_one_size() -> None:
    times = resamples(41)
    assert times.shape == (RESAMPLES, 41) and (times.sum(axis=1) == 41).all()
    with pytest.raises(ValueError, match="no photograph"):
        resamples(0)
