"""Rows of cracks hold numbers or nothing, whatever the map."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from metrics.crack_rows import rows_of
from metrics.geometry import measure
from metrics.scale import Scale

pytest.importorskip("skan", reason="the optional extra geometry is not installed")


@pytest.mark.parametrize("seed", [238, 243, 244, 246, 248])
def test_figures_of_noisy_maps_are_numbers(seed: int) -> None:
    """A profile may cross the level midway without crossing those beside it: the uncertainty is then another's."""
    random = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(random.normal(size=(90, 110)), random.uniform(0.5, 4))
    level = np.quantile(noise, random.uniform(0.6, 0.97))
    cracks = measure((1 / (1 + np.exp(-(noise - level) / noise.std() * random.uniform(0.5, 30)))).astype(np.float32))
    values = [value for row in rows_of("a", cracks, Scale(0.1)) for value in row.values() if isinstance(value, float)]
    assert len(values) > 100 and all(math.isfinite(value) for value in values)
