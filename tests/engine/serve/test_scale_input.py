"""The scale from what is typed into the page, worked out by hand."""

from __future__ import annotations

import math

import pytest

from contracts.errors import UserError
from engine.predict.scale import ScaleChoice
from engine.serve.scale_input import PER_PIXEL, REFERENCE, UNKNOWN, scale_of

SIZE = (100, 200)


def test_scales() -> None:
    assert scale_of(SIZE, UNKNOWN, 3.0, 3.0, "1,1", "9,9") is None
    plain = scale_of(SIZE, PER_PIXEL, 0.25, None, "", "")
    assert plain and (plain.mm_per_pixel, plain.relative) == (0.25, 0)
    known = scale_of(SIZE, REFERENCE, None, 100.0, " 10, 20", "40.0;60")  # 30 and 40 px: 50
    assert known and known.mm_per_pixel == 2 and known.relative == pytest.approx(math.sqrt(2) / 50)
    assert "100 mm over 50.0 px" in known.origin


def test_the_command_line_knows_two_points_as_well_as_the_page() -> None:
    typed = scale_of(SIZE, REFERENCE, None, 100.0, "10,20", "40,60")
    assert typed and ScaleChoice(reference=(10, 20, 40, 60, 100)).of(None, *SIZE) == typed


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ((PER_PIXEL, None, None, "", ""), "Give the millimetres per pixel, a number above 0"),
        ((PER_PIXEL, -1.0, None, "", ""), "Give the millimetres per pixel, a number above 0"),
        ((REFERENCE, None, None, "1,1", "50,50"), "Give the known length in mm"),
        ((REFERENCE, None, 9.0, "", "50,50"), "Give point A as x,y"),
        ((REFERENCE, None, 9.0, "1,1", "5050"), "Give point B as x,y"),
        (
            (REFERENCE, None, 9.0, "1,1", "150,101"),
            "Points A and B: a point lies outside of the photograph, which has 200x100 pixels.",
        ),
        ((REFERENCE, None, 9.0, "1,1", "5,4"), "Points A and B: the points are 5.0 px apart"),
    ],
)
def test_what_is_no_scale_is_told(typed: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        scale_of(SIZE, *typed)
