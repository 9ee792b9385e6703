"""Crops at random scales and angles: widths, alignment, what stays of thin cracks, what a crop depends on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from contracts.errors import UserError
from data.dataset import CrackDataset
from data.transforms import draw
from data.zoom import WIDEST, Zoom
from engine.options.load import load_options
from tests.helpers.photographs import Coordinates


def wall(width: float, angle: float = 0.0, side: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """A bright wall with one dark line through its middle, of that width in px, and its mask."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    distance = np.abs(rows * np.cos(angle) + columns * np.sin(angle))
    mask = (distance <= width / 2).astype(np.uint8)
    return np.repeat((220 - 200 * mask)[:, :, None], 3, 2).astype(np.uint8), mask


def drawn(zoom: float = 0.5, epoch: int = 0, **fixed: float) -> dict[str, float]:
    return {**draw(3, epoch, "wall"), "crop_row": 0.5, "crop_column": 0.5, "zoom": zoom, "on_crack": 1.0, **fixed}


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.7, 3.0])
def test_a_crack_gets_as_much_wider_as_the_factor_says(factor: float) -> None:
    image, mask = Zoom(factor, factor)(*wall(20), 128, drawn())
    assert mask.shape == (128, 128) and image.shape == (128, 128, 3)
    np.testing.assert_allclose(mask.sum(0), 20 * factor, atol=2)
    assert (image[mask == 1].mean() < 40) and (image[mask == 0].mean() > 200)


@pytest.mark.parametrize("number", [0.0, 0.1, 0.37, 0.8])
def test_it_turns_by_the_angle_that_is_drawn(number: float) -> None:
    """Of a line that runs along a row, the direction of the largest spread of its pixels is that of the turn."""
    _, mask = Zoom(1, 1, any_angle=True)(*wall(6), 128, drawn(angle=number))
    rows, columns = np.nonzero(mask)
    radius = np.hypot(rows - 63.5, columns - 63.5) < 60
    direction = np.linalg.eigh(np.cov(np.stack([columns[radius], rows[radius]])))[1][:, -1]
    expected = np.array([np.cos(2 * np.pi * number), -np.sin(2 * np.pi * number)])
    assert abs(direction @ expected) > 0.999


@pytest.mark.parametrize("factor", [0.6, 0.7, 0.85, 1.0])
def test_a_crack_of_one_pixel_survives(factor: float) -> None:
    photo, mask = wall(1.2, angle=0.05, side=801)
    found = Zoom(factor, factor)(photo, mask, 256, drawn())[1]
    assert found.any(0).mean() > 0.98


def test_image_and_mask_stay_aligned_at_any_scale_and_angle() -> None:
    zoom = Zoom(0.4, 3, any_angle=True)
    for epoch in range(30):
        image, mask = zoom(*wall(24, angle=0.7), 96, draw(1, epoch, "wall"))
        dark = image[:, :, 0] < 120
        inner = cv2.erode(np.ones_like(mask), np.ones((3, 3)))  # nothing is said of the very border
        assert ((dark != mask.astype(bool)) & inner.astype(bool)).sum() <= 0.03 * mask.size


def test_small_photographs_are_not_reduced_to_a_mosaic_of_mirrors() -> None:
    """A crop of 128 px of a photograph of 100 px spans WIDEST of its sides at most."""
    _, mask = Zoom(0.1, 0.1)(*wall(10, side=100), 128, drawn())
    np.testing.assert_allclose(mask[:, 64].sum() / 128, 0.1 / WIDEST, atol=0.012)


def test_crops_at_cracks_hold_one() -> None:
    photo, mask = wall(3, side=900)
    zoom = Zoom(0.5, 2, any_angle=True)
    assert all(zoom(photo, mask, 96, draw(1, epoch, "wall"), 1.0)[1].any() for epoch in range(60))
    assert not all(zoom(photo, mask, 96, draw(1, epoch, "wall"), 0.0)[1].any() for epoch in range(60))


def test_a_sample_depends_on_seed_epoch_and_name_alone() -> None:
    first, again = (CrackDataset(Coordinates([(90, 80), (70, 70)]), 32, 5, zoom=Zoom(0.5, 2, True)) for _ in range(2))
    np.testing.assert_array_equal(first[2, 1].hr.numpy(), again[2, 1].hr.numpy())
    assert not np.array_equal(first[2, 1].hr.numpy(), first[3, 1].hr.numpy())


@pytest.mark.parametrize("zoom", ["[2, 0.5]", "[0, 2]"])
def test_factors_out_of_order_are_refused(zoom: str) -> None:
    with pytest.raises(UserError, match="smaller factor first"):
        load_options("options/joint.yml", [f"datasets:train:augmentation:zoom={zoom}"])
