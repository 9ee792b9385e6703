"""The size of a pixel from two points, worked out by hand."""

from __future__ import annotations

import math

import pytest

from contracts.errors import ArgumentError
from metrics.scale import scale_between


def test_two_points_give_the_scale() -> None:
    scale = scale_between((10, 20), (40, 60), 100, (100, 200))  # 30 and 40 px: 50
    assert scale.mm_per_pixel == 2 and scale.relative == pytest.approx(math.sqrt(2) / 50)
    assert scale.origin == "100 mm over 50.0 px, points read to 1 px"
    assert scale_between((0, 0), (0, 10), 5).relative == pytest.approx(math.sqrt(0.02))
    assert scale_between((0, 0), (200, 0), 5, (100, 200), 0.03).relative == pytest.approx(
        math.sqrt(0.03**2 + 2 / 200**2)
    )
    assert scale_between((0, 0), (0, 10), 5, relative=1).relative == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 0), (0, 9.9), 5), "the points are 9.9 px apart"),
        (((0, 0), (math.nan, 50), 5), "the points are nan px apart"),
        (((0, 0), (math.inf, 50), 5), "the points are inf px apart"),
        (((0, 0), (0, 50), 0), "0 mm: give a positive length"),
        (((0, 0), (0, 50), math.inf), "inf mm: give a positive length"),
        (((0, 0), (201, 50), 5, (100, 200)), "a point lies outside of the photograph, which has 200x100 pixels"),
        (((0, -1), (20, 50), 5, (100, 200)), "a point lies outside of the photograph"),
    ],
)
def test_what_is_no_scale(arguments: tuple, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        scale_between(*arguments)
