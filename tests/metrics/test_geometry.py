"""Lengths and widths of cracks that were drawn by formula at eight times the size, so that both are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.geometry import bar, coverage, grid
from metrics.figure import Figure
from metrics.geometry import LEAST_AREA, Crack, measure, total_length
from metrics.local_widths import DISTANCE

pytest.importorskip("skan", reason="the optional extra geometry is not installed")


def only(cracks: list[Crack]) -> Crack:
    assert len(cracks) == 1
    return cracks[0]


@pytest.mark.parametrize("width", [1.5, 2, 3, 5, 8, 12, 20])
@pytest.mark.parametrize("soft", [False, True], ids=["mask", "map"])
def test_bars_at_all_angles(width: float, soft: bool) -> None:
    """Width within 0.5 px and 0.1 on average (0.15 of a map as thin as a pixel and a half), length within 3%."""
    random = np.random.default_rng(round(10 * width))
    errors, lengths = [], []
    for angle in range(3, 183, 20):
        drawn = bar(width, 120, angle, random.uniform(-0.5, 0.5, 2))
        crack = only(measure(drawn if soft else drawn > 0.5))
        errors.append(crack.mean_width.value - width)
        lengths.append(crack.length.value)
        assert (crack.branches, crack.junctions, crack.method) == (1, 0, "profile")
        assert abs((crack.orientation - angle + 90) % 180 - 90) < 0.5
        assert abs(errors[-1]) < 2 * crack.mean_width.uncertainty
        assert abs(lengths[-1] - 120) < 2 * crack.length.uncertainty
        assert crack.mean_width.value - 0.1 < crack.p95_width.value <= crack.max_width.value < width + 1
    assert np.abs(errors).max() < 0.5 and abs(np.mean(errors)) < (0.15 if soft and width < 2 else 0.1)
    assert max(lengths) < 1.03 * 120 and min(lengths) > 0.97 * 120


def test_an_arc_is_as_long_as_its_angle_says() -> None:
    y, x = grid()
    distance, direction = np.hypot(y - 85, x - 85), np.arctan2(y - 85, x - 85)
    crack = only(measure(coverage((np.abs(distance - 60) <= 2) & (np.abs(direction) <= 2.2))))
    assert crack.length.value == pytest.approx(60 * 4.4, rel=0.01)
    assert crack.mean_width.value == pytest.approx(4, abs=0.1)
    ring = only(measure(coverage(np.abs(distance - 60) <= 2)))
    assert ring.length.value == pytest.approx(2 * math.pi * 60, rel=0.01) and ring.junctions == 0


def test_where_a_crack_is_widest() -> None:
    y, x = grid()
    half = 1.5 + 3 * np.exp(-(((x - 110) / 12) ** 2))
    crack = only(measure(coverage((np.abs(y - 80.3) <= half) & (x > 20) & (x < 150))))
    assert crack.widest == pytest.approx((80.3, 110), abs=3)
    assert crack.max_width.value == pytest.approx(9, abs=0.3)
    assert crack.box[1] == 21 and crack.box[3] == 150


def test_a_fork_has_three_branches() -> None:
    y, x = grid()
    stem = (np.abs(x - 85) <= 1.5) & (y >= 85) & (y <= 145)
    arms = (np.abs(np.abs(x - 85) - (85 - y)) <= 1.5 * math.sqrt(2)) & (y <= 85) & (y >= 45)
    crack = only(measure(coverage(stem | arms)))
    assert (crack.branches, crack.junctions) == (3, 1)
    assert crack.length.value == pytest.approx(60 + 2 * 40 * math.sqrt(2), rel=0.03)
    assert crack.mean_width.value == pytest.approx(3, abs=0.15)


def test_maps_are_measured_where_they_are_steepest() -> None:
    """Blurred edges stay where they were: the middle level, not the threshold, decides."""
    from scipy import ndimage

    blurred = ndimage.gaussian_filter(bar(8, 120, 33), 1.5)
    for brightness in (1.0, 0.7):
        assert only(measure(brightness * blurred, threshold=0.2)).mean_width.value == pytest.approx(8, abs=0.15)
    assert only(measure(blurred > 0.2)).mean_width.value > 9


def test_neighbours_are_apart() -> None:
    """A second crack beside the first is background to it."""
    first, second = bar(4, 100, 0, (0, 0)), bar(3, 60, 0, (6, 10))
    cracks = measure(np.maximum(first, second))
    assert [crack.mean_width.value for crack in cracks] == pytest.approx([4, 3], abs=0.1)
    assert total_length(cracks).value == pytest.approx(160, abs=2)
    assert total_length(cracks).uncertainty == pytest.approx(
        math.hypot(*(crack.length.uncertainty for crack in cracks))
    )


def test_what_is_too_small_says_so() -> None:
    mask = np.zeros((40, 40), bool)
    mask[3:5, 3:5] = True
    mask[20:24, 20:24] = True
    cracks = measure(mask)
    assert [crack.area for crack in cracks] == [16, 4]
    assert cracks[1].reason == f"below {LEAST_AREA} px" and cracks[0].reason == "shorter than 5 px"
    assert cracks[0].length is None and total_length(cracks) == Figure(0, 0)
    assert measure(np.zeros((9, 9), bool)) == []
    with pytest.raises(ValueError, match=r"\[H,W\]"):
        measure(np.zeros((3, 9, 9)))


def test_without_edges_the_distance_is_named() -> None:
    """A crack that fills the photograph from border to border across has no profile."""
    mask = np.zeros((9, 60), bool)
    mask[:, 5:55] = True
    crack = only(measure(mask))
    assert crack.method == DISTANCE and crack.mean_width.value == pytest.approx(9, abs=2)


def test_other_units() -> None:
    """Relative uncertainties add in quadrature: 3 of 30 px and 10% of the scale."""
    length = Figure(30, 3).times(0.5, relative=0.1)
    assert length.value == 15 and length.uncertainty == pytest.approx(15 * math.hypot(0.1, 0.1))
