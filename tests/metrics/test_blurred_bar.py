"""Bars under a Gaussian, against profiles that SciPy blurs and the widths that are read off them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from metrics.blurred_bar import from_shape, without_blur

FINE = 200  # samples for each pixel


def widths_of(width: float, sigma: float) -> tuple[float, float]:
    """Midway up, and half the difference at 40 and 60%, of a bar's profile drawn finely and blurred."""
    bar = np.zeros(60 * FINE)
    bar[round((30 - width / 2) * FINE) : round((30 + width / 2) * FINE)] = 1
    profile = ndimage.gaussian_filter1d(bar, sigma * FINE, truncate=6)
    at = [np.count_nonzero(profile >= level * profile.max()) / FINE for level in (0.4, 0.5, 0.6)]
    return at[1], (at[0] - at[2]) / 2


@pytest.mark.parametrize("sigma", [0.5, 1, 2.5])
@pytest.mark.parametrize("width", [1.5, 3, 6, 12])
def test_the_width_comes_back(width: float, sigma: float) -> None:
    middle, spread = widths_of(width, sigma)
    if width < sigma:  # the profile has the blur's width, and hardly tells the bar's
        assert width < without_blur(middle, sigma) < 1.05 * sigma
    else:
        assert without_blur(middle, sigma) == pytest.approx(width, abs=0.02 * sigma)
    if width > 2.5 * sigma:
        assert from_shape(middle, spread) == pytest.approx(width, rel=0.03)
    else:
        assert from_shape(middle, spread) < 0.85 * middle


def test_beyond_what_a_blur_can_do() -> None:
    assert without_blur(np.array([0.0, 2.0, 400.0]), 1.0) == pytest.approx([0, 2 / 2.457, 400], abs=2e-3)
    assert from_shape(4, 0) == 4 and from_shape(0, 0) == 0
    # the profile of a point, 2.355 s wide: a bar as wide as s has 2.457 s, and more blurred ones count as that
    assert from_shape(2.355, 0.343) == from_shape(2.355, 1.0) == pytest.approx(2.355 / 2.457, abs=2e-3)
