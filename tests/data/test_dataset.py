"""Crops, padding, flips and tones: what must hold for any size, and what a sample depends on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UserError
from contracts.records import HRBatch
from data.dataset import CrackDataset, collate, whole_image
from data.distance import signed_distance_map
from data.transforms import DRAWS, crop, crop_to_multiple, draw, flip_and_turn, pad_to, tone_table
from tests.helpers.photographs import Coordinates, mask_of, picture

sides = st.integers(1, 40)
seeds = st.integers(0, 10_000)


@given(sides, sides, sides)
def test_pad_reflects_and_keeps_mask_aligned(height: int, width: int, side: int) -> None:
    image, mask = pad_to(*picture(height, width), side)
    assert mask.shape == image.shape[:2] == (max(height, side), max(width, side))
    np.testing.assert_array_equal(mask, mask_of(image))
    rows = image[:, 0, 0].astype(int)
    assert set(rows) == set(range(height))
    if height > 1:
        assert (np.abs(np.diff(rows)) == 1).all()  # reflection neither jumps nor repeats the edge


@given(sides, sides, st.data())
def test_crop_is_a_window_of_image_and_mask(height: int, width: int, data: st.DataObject) -> None:
    side = data.draw(st.integers(1, min(height, width)))
    drawn = draw(data.draw(seeds), 0, "name")
    image, mask = crop(*picture(height, width), side, drawn, data.draw(st.floats(0, 1)))
    assert mask.shape == (side, side)
    np.testing.assert_array_equal(mask, mask_of(image))
    top, left = image[0, 0, 0], image[0, 0, 1]
    np.testing.assert_array_equal(image, picture(height, width)[0][top : top + side, left : left + side])


def test_crops_reach_every_place() -> None:
    places = {tuple(crop(*picture(8, 9), 6, draw(0, epoch, "name"))[0][0, 0, :2].tolist()) for epoch in range(300)}
    assert places == {(row, column) for row in range(3) for column in range(4)}


@settings(max_examples=50)
@given(st.integers(0, 99), st.integers(0, 99), seeds)
def test_crack_crop_holds_the_crack(row: int, column: int, seed: int) -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[row, column] = 1
    image = np.zeros((100, 100, 3), np.uint8)
    assert crop(image, mask, 20, draw(seed, 0, "name"), crack_probability=1.0)[1].sum() == 1


def test_crack_probability_is_one_of_crops() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[150, 40] = 1
    image = np.zeros((200, 200, 3), np.uint8)
    hits = sum(crop(image, mask, 20, draw(0, epoch, "name"), 0.5)[1].any() for epoch in range(400))
    assert 160 < hits < 260  # 0.5 + 0.5 * 0.011 expected


@given(sides, sides, seeds)
def test_flips_and_turns_keep_pixels_and_mask(height: int, width: int, seed: int) -> None:
    before, _ = picture(height, width)
    image, mask = flip_and_turn(*picture(height, width), draw(seed, 0, "name"), 0.5, 0.5, True)
    np.testing.assert_array_equal(mask, mask_of(image))
    assert sorted(image.reshape(-1, 3).tolist()) == sorted(before.reshape(-1, 3).tolist())


def test_flips_happen_as_often_as_asked() -> None:
    image, mask = picture(2, 2)
    flips = [flip_and_turn(image, mask, draw(0, epoch, "a"), 0.3, 0.0, False)[0] for epoch in range(1000)]
    rate = np.mean([flip[0, 0, 1] == 1 for flip in flips])
    assert 0.26 < rate < 0.34
    assert all(flip[0, 0, 0] == 0 for flip in flips)


@given(st.floats(0, 1), seeds)
def test_tone_table_is_a_rising_curve_in_range(strength: float, seed: int) -> None:
    table = tone_table(draw(seed, 0, "name"), strength)
    assert table.dtype == np.float32
    assert table.min() >= 0
    assert table.max() <= 1
    assert (np.diff(table) >= 0).all()


def test_tone_table_without_strength_is_the_identity() -> None:
    np.testing.assert_array_equal(tone_table(draw(0, 0, "a"), 0.0), np.arange(256, dtype=np.float32) / 255)


@given(sides, sides, st.integers(1, 12))
def test_crop_to_multiple(height: int, width: int, multiple: int) -> None:
    image, mask = crop_to_multiple(*picture(height, width), multiple)
    for actual, length in zip(mask.shape, (height, width), strict=True):
        assert actual == max(length, multiple) // multiple * multiple
    np.testing.assert_array_equal(mask, mask_of(image))


def test_sample_contract() -> None:
    dataset = CrackDataset(Coordinates([(50, 60), (20, 90)]), 32, seed=1, vertical_flip=0.5, rotate=True)
    batch = collate([dataset[0, 0], dataset[3, 1]])
    assert isinstance(batch, HRBatch)
    assert batch.hr.shape == (2, 3, 32, 32)
    assert batch.mask.shape == batch.distance.shape == (2, 1, 32, 32)
    assert batch.hr.dtype == batch.mask.dtype == batch.distance.dtype == torch.float32
    assert (batch.name, batch.epoch) == (("coordinates_0", "coordinates_1"), (0, 3))
    for hr, mask, distance in zip(batch.hr, batch.mask, batch.distance, strict=True):
        image = (hr * 255).round().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(mask[0], mask_of(image))
        np.testing.assert_array_equal(distance[0], signed_distance_map(mask[0].numpy()))


def test_sample_depends_on_seed_epoch_and_name_only() -> None:
    def hr(seed: int, epoch: int, index: int, count: int) -> torch.Tensor:
        return CrackDataset(Coordinates([(90, 90)] * count), 16, seed, photometric=0.3)[epoch, index].hr

    reference = hr(5, 2, 1, 3)
    assert torch.equal(reference, hr(5, 2, 1, 8))
    for other in (hr(6, 2, 1, 3), hr(5, 3, 1, 3), hr(5, 2, 2, 3)):
        assert not torch.equal(reference, other)


def test_choices_do_not_move_each_other() -> None:
    source = Coordinates([(90, 90)])
    plain = CrackDataset(source, 16, 0, horizontal_flip=0.0)[0, 0]
    flipped = CrackDataset(source, 16, 0, horizontal_flip=1.0, distance=False)[0, 0]
    assert torch.equal(plain.hr.flip(2), flipped.hr)
    assert flipped.distance is None
    assert collate([flipped]).distance is None


def test_draw_is_the_same_everywhere() -> None:
    drawn = draw(0, 0, "name")
    assert drawn["crop_row"] == pytest.approx(0.153425795211, abs=1e-12)
    assert len(set(drawn.values())) == len(DRAWS) == 13


def test_mask_tensor_is_a_copy() -> None:
    mask = np.full((8, 8), 0.5, np.float32)
    mask.flags.writeable = False

    class Soft(Coordinates):
        def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            return picture(8, 8)[0], mask

    sample = CrackDataset(Soft([(8, 8)]), 8, 0)[0, 0]
    sample.mask.zero_()
    assert (mask == 0.5).all()


def test_a_whole_image_is_cut_to_the_multiple() -> None:
    batch = whole_image(Coordinates([(21, 30)]), 0, multiple=4)
    assert batch.hr.shape == (1, 3, 20, 28)
    assert batch.mask.shape == (1, 1, 20, 28)
    np.testing.assert_array_equal((batch.hr[0] * 255).round().permute(1, 2, 0), picture(20, 28)[0])


@pytest.mark.parametrize("wrong", [{"horizontal_flip": 1.5}, {"photometric": -0.1}, {"crop": 0}])
def test_bad_values_name_themselves(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        CrackDataset(Coordinates([(8, 8)]), **{"crop": 8, "seed": 0, **wrong})
