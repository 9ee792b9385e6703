"""Distances between feature maps, against loops over plain numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from losses.features import perceptual_distance, relative_distance


@pytest.fixture
def maps() -> tuple[list[Tensor], list[Tensor]]:
    """Two levels of other scales, of two samples."""
    generator = torch.Generator().manual_seed(4)
    shapes = [(2, 3, 8, 6, 1.0), (2, 5, 4, 3, 30.0)]
    first, second = ([scale * torch.randn(*shape, generator=generator) for *shape, scale in shapes] for _ in range(2))
    return first, second


def test_perceptual_distance_is_the_mean_over_maps_of_mean_absolute_differences(maps) -> None:
    first, second = ([one.double().numpy() for one in side] for side in maps)
    expected = (np.abs(first[0] - second[0]).mean() + np.abs(first[1] - second[1]).mean()) / 2
    assert float(perceptual_distance(*maps)) == pytest.approx(expected, rel=1e-6)
    deepest = np.abs(first[1] - second[1]).mean()
    assert float(perceptual_distance(maps[0][-1:], maps[1][-1:])) == pytest.approx(deepest, rel=1e-6)


def test_relative_distance_counts_samples_and_levels_alike(maps) -> None:
    first, second = ([one.double().numpy() for one in side] for side in maps)
    ratios = [
        ((a[sample] - b[sample]) ** 2).sum() / (b[sample] ** 2).sum()
        for a, b in zip(first, second, strict=True)
        for sample in range(2)
    ]
    assert float(relative_distance(*maps)) == pytest.approx(np.mean(ratios), rel=1e-5)


def test_worked_by_hand() -> None:
    """A sample of 3 and 4 against 0 and 5: (9 + 1) / 25; one without response costs 2 / 1e-6."""
    features = [torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)]
    target = [torch.tensor([0.0, 5.0]).view(1, 1, 1, 2)]
    assert float(relative_distance(features, target)) == pytest.approx(10 / 25, rel=1e-6)
    assert float(perceptual_distance(features, target)) == pytest.approx((3 + 1) / 2)
    assert float(relative_distance(target, target)) == float(perceptual_distance(target, target)) == 0
    silent, loud = [torch.zeros(1, 1, 1, 2)], [torch.tensor([2.0, 0.0]).view(1, 1, 1, 2)]
    assert float(relative_distance(loud, silent)) == pytest.approx(2 / 1e-6)
    assert float(relative_distance(silent, loud)) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("distance", [perceptual_distance, relative_distance])
def test_half_precision_is_widened_and_other_shapes_are_refused(distance, maps) -> None:
    first, second = maps
    low = distance([one.bfloat16() for one in first], second)
    assert low.dtype == torch.float32 and float(low) == pytest.approx(float(distance(first, second)), rel=1e-2)
    for wrong in (first[:1], [first[0], first[1][:, :1]], []):
        with pytest.raises(ValueError, match="same shapes"):
            distance(wrong, second)
