"""The overlay of widths: colours where the lines are, a legend below, round numbers."""

from __future__ import annotations

import numpy as np
import pytest

from visualization.drawing import colour_map
from visualization.widths import COLOURS, UNKNOWN, Legend, ticks, width_overlay

GREY = np.full((120, 160, 3), 128, np.uint8)
LINE = np.stack([np.full(141, 60.0), np.arange(10.0, 151.0)], 1)
NOTHING = np.zeros((120, 160), bool)


def drawn(widths: np.ndarray, legend: Legend, **more: object) -> np.ndarray:
    return width_overlay(GREY, NOTHING, [LINE], [widths], legend, **more)


def test_colours_are_those_of_the_local_width() -> None:
    """0 to 10 px along the line; the last third is not known."""
    widths = np.linspace(0, 15, 141)
    widths[95:] = np.nan
    picture = drawn(widths, Legend(highest=10))
    shades = colour_map("plasma")[COLOURS]
    row = round((60 + 0.5) * 6 - 0.5)
    for column in (20, 50, 80, 95):
        shade = shades[round(widths[column - 10] / 10 * (len(shades) - 1))]
        seen = picture[row, round((column + 0.5) * 6 - 0.5)]
        assert np.abs(seen.astype(int) - shade).max() <= 4
    assert tuple(picture[row, 130 * 6]) == UNKNOWN
    assert np.array_equal(picture[: 50 * 6], np.full((300, 960, 3), picture[0, 0]))  # nothing is drawn elsewhere
    assert 128 < picture[0, 0, 0] < 200


def test_a_small_photograph_is_enlarged_and_a_large_one_is_not() -> None:
    legend = Legend(highest=3)
    for (height, width), factor in (((20, 30), 8), ((120, 160), 6), ((700, 500), 1), ((1500, 2600), 1)):
        image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
        picture = width_overlay(image, mask, [], [], legend)
        assert picture.shape[1] == factor * width and factor * height < picture.shape[0] <= factor * height + 400


@pytest.mark.parametrize("size", [(1000, 16), (700, 12), (1500, 20), (8, 3000)])
@pytest.mark.parametrize("legend", [Legend(highest=3), Legend(0.37, "mm", "1 crack", 3.0), Legend(2e-4, "mm")])
def test_the_narrowest_photographs_have_a_legend(size: tuple[int, int], legend: Legend) -> None:
    picture = width_overlay(np.zeros((*size, 3), np.uint8), np.zeros(size, bool), [], [], legend)
    assert picture.shape[1] == max(200, size[1]) and len(picture) > size[0] + 40
    assert (picture[: size[0], size[1] :] == 255).all() and picture[: size[0], : size[1]].max() < 255


def test_cracks_without_a_line_are_outlined() -> None:
    mask = NOTHING.copy()
    mask[20:23, 30:33] = True
    picture = width_overlay(GREY, mask, [], [], Legend())
    changed = (picture[:720] != picture[0, 0]).any(2)
    rows, columns = np.nonzero(changed)
    assert 20 * 6 - 2 <= rows.min() <= 20 * 6 and 23 * 6 - 1 <= rows.max() <= 23 * 6 + 1
    assert 30 * 6 - 2 <= columns.min() <= 30 * 6


def test_a_ring_marks_the_widest_place() -> None:
    widths = np.full(141, 2.0)
    plain, ringed = (drawn(widths, Legend(highest=2), **more) for more in ({}, {"widest": (60.0, 80.0)}))
    rows, columns = np.nonzero((plain != ringed).any(2))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(60.5 * 6, abs=1.5)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(80.5 * 6, abs=1.5)


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    """0.5 mm for each of 160 pixels: 80 mm across 960 pixels, of which 20 mm are a quarter."""
    widths = np.full(141, 2.0)
    bare, scaled = (drawn(widths, Legend(0.5, unit, highest=2))[720:] for unit in ("px", "mm"))
    dark = (bare > 200).all(2) & (scaled < 60).all(2)
    dark[:, :480] = False  # the colour scale, which says mm now
    across = np.flatnonzero(dark.sum(0) > 0)
    line = max((dark[row] for row in range(len(dark))), key=lambda one: one.sum())
    assert np.flatnonzero(line).max() - np.flatnonzero(line).min() == pytest.approx(20 * 2 * 6, abs=4)
    assert across.max() < 960


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1.3, [0, 0.5, 1, 1.5]),
        (0.049, [0, 0.01, 0.02, 0.03, 0.04, 0.05]),
        (7, [0, 2, 4, 6, 8]),
        (123, [0, 50, 100, 150]),
    ],
)
def test_round_numbers(highest: float, expected: list[float]) -> None:
    assert ticks(highest) == pytest.approx(expected)
