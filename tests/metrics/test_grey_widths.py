"""Widths across photographs drawn by formula: a bar of known width, darker than its texture, blurred or not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.geometry import bar
from metrics.geometry import Crack, measure
from metrics.local_widths import GREY, PROFILE

pytest.importorskip("skan", reason="the optional extra geometry is not installed")


def photograph(drawn: NDArray[np.float64], sigma: float, texture: float = 8.0, depth: float = 90.0) -> NDArray:
    """Brightness of a surface of 150 with a crack ``depth`` darker, blurred, and grain that no blur has touched."""
    grain = np.random.default_rng(0).normal(0, texture, drawn.shape)
    return ndimage.gaussian_filter(150 - depth * drawn, sigma) + grain


def only(cracks: list[Crack]) -> Crack:
    assert len(cracks) == 1
    return cracks[0]


@pytest.mark.parametrize("width", [3, 5, 9])
@pytest.mark.parametrize("angle", [12, 47, 90])
def test_the_photograph_decides_not_the_blob(width: float, angle: float) -> None:
    """The map is a blob half as wide again as the crack, as networks give; the widths are the photograph's."""
    drawn = bar(width, 120, angle)
    blob = ndimage.gaussian_filter(bar(1.5 * width, 120, angle), 1.0)
    crack = only(measure(blob, grey=photograph(drawn, 0.8)))
    assert crack.method == GREY
    assert crack.mean_width.value == pytest.approx(width, abs=0.45)
    assert abs(crack.mean_width.value - width) < 2 * crack.mean_width.uncertainty
    assert only(measure(blob)).mean_width.value > 1.3 * width


@pytest.mark.parametrize("width", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
def test_a_blur_is_in_the_uncertainty(width: float, sigma: float) -> None:
    """A crack thinner than its blur comes out as wide as the blur, and its uncertainty says so."""
    drawn = bar(width, 120, 20)
    blob = ndimage.gaussian_filter(bar(max(width, 3), 120, 20), 1.0)
    mean = only(measure(blob, grey=photograph(drawn, sigma, texture=0.5))).mean_width
    assert abs(mean.value - width) < 2 * mean.uncertainty
    if width > 4 * sigma:
        assert mean.uncertainty < 0.15 * width + 0.2
    if width < sigma:
        assert mean.value > 2 * width and mean.uncertainty > 0.4 * mean.value


def test_where_the_photograph_shows_nothing_the_map_decides() -> None:
    drawn = bar(5, 120, 30)
    for grey in (photograph(drawn, 0.5, texture=300), photograph(drawn, 0.5, depth=-90), np.zeros_like(drawn)):
        crack = only(measure(drawn, grey=grey))
        assert crack.method == PROFILE and crack.mean_width.value == pytest.approx(5, abs=0.1)


def test_a_photograph_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"grey is \[9, 9\]; give the size of the map, \[170, 170\]"):
        measure(bar(5, 120, 30), grey=np.zeros((9, 9)))


@pytest.mark.parametrize("shown", [False, True], ids=["map", "photograph"])
def test_at_the_border_of_a_photograph_no_width_is_made_up(shown: bool) -> None:
    """A crack that runs out of the photograph at an angle is as wide there as everywhere, or not measured."""
    drawn = bar(6, 300, 25, (60, 0))  # leaves the photograph through its lower border
    crack = only(measure(drawn, grey=photograph(drawn, 0.5, texture=3) if shown else None))
    widths = np.concatenate(crack.widths)
    assert np.nanmax(np.abs(widths - 6)) < 0.8 and np.isfinite(widths).mean() > 0.75
    along = bar(6, 300, 0, (-82.5, 0))  # half of it is in the photograph
    crack = only(measure(along, grey=photograph(along, 0.5, texture=3) if shown else None))
    assert crack.method == "distance"


@pytest.mark.parametrize("width", [3, 4, 5, 6, 8])
def test_without_a_profile_the_distance_is_right_to_half_a_pixel(width: int) -> None:
    mask = np.zeros((60, 90), bool)
    mask[:width] = True  # along the border of the photograph
    crack = only(measure(mask))
    assert crack.method == "distance"
    assert abs(crack.mean_width.value - width) < 0.6 and crack.mean_width.uncertainty > 0.4


@pytest.mark.parametrize("width", [0.5, 0.8, 1.0, 1.2])
@pytest.mark.parametrize("angle", [0, 20, 45, 90])
@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5])
def test_cracks_thinner_than_pixels_say_how_little_is_known(width: float, angle: float, shift: float) -> None:
    """Wherever they lie in their pixels; none is without width."""
    drawn = bar(width, 120, angle, (shift, shift))
    for crack in (
        *measure(drawn, 0.3 * drawn.max()),
        only(measure(bar(3, 120, angle, (shift, shift)), grey=photograph(drawn, 0.01, texture=0.5))),
    ):
        mean = crack.mean_width
        if mean is not None:
            assert mean.value > 0.2 and abs(mean.value - width) < 2 * mean.uncertainty
