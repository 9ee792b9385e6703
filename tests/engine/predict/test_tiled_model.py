"""Photographs taken tile by tile: no seams, and what one model does as a whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from contracts.errors import UserError
from contracts.records import Segmented
from engine.predict.photo import search
from engine.predict.tiled_model import TiledModel, aligned_length
from engine.predict.tiles import tile_starts
from models.base import Maps, Segmentation
from models.dsrl import DSRL
from models.joint import JointModel
from models.sr.bicubic import Bicubic
from models.sr.kbpn import KBPN
from tests.helpers.photographs import photograph

CPU = torch.device("cpu")


class Filter(Segmentation):
    """A segmentation network that looks 2 pixels far and at the mean of its 8x8 cell, as strided ones do."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 1, 5, padding=2, padding_mode="replicate")

    def forward(self, x: torch.Tensor, kernel: torch.Tensor | None = None) -> Segmented:
        assert x.shape[2] % 8 == 0 and x.shape[3] % 8 == 0
        cells = F.interpolate(F.avg_pool2d(x, 8), scale_factor=8)
        return Segmented(self.convolution(x) + cells.mean(1, keepdim=True))


def small_model(sr: nn.Module, **connection: object) -> JointModel:
    torch.manual_seed(0)
    model = JointModel(sr, Filter(), scale=4, **connection).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("normalise", ["instance", "fixed", "none"])
def test_tiles_equal_the_whole_photograph(normalise):
    """With whole statistics and tiles on the network's grid, only its reach can tell tiles apart."""
    model, photo = small_model(Bicubic(4), normalise=normalise), as_tensor(photograph(76, 102))
    with torch.inference_mode():
        whole = model(photo)
        tiled = TiledModel(model, CPU, tile=32, overlap=16)
        maps, kernel = tiled.restore(photo)
        prob = tiled.segment(maps)
    assert kernel is None
    torch.testing.assert_close(maps.image, whole.sr, rtol=0, atol=1e-5)
    inner = (..., slice(-2), slice(-2))  # where the image ends, a tile goes on with its reflection
    torch.testing.assert_close(prob[inner], whole.logits.sigmoid()[inner], rtol=0, atol=1e-4)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.integers(2, 40), st.integers(1, 39), st.sampled_from([1, 8, 32]))
def test_aligned_tiles_start_on_the_grid(length, tiles, strides, multiple):
    tile, stride = tiles * multiple, min(strides, tiles - 1) * multiple
    padded = aligned_length(length, tile, stride, multiple)
    starts = tile_starts(padded, tile, tile - stride)
    assert all(start % multiple == 0 for start in starts)
    assert all(second - first <= stride for first, second in itertools.pairwise(starts))
    assert 0 <= padded - length < max(1, (len(starts) - 1) * multiple)


def test_statistics_of_each_tile_would_show():
    """The same with the model's own normalisation of every tile: far from the whole photograph."""
    model, photo = small_model(Bicubic(4)), as_tensor(photograph(64, 128))
    with torch.inference_mode():
        left, right = photo[..., :64], photo[..., 64:]
        apart = model.segment(left).logits[..., -1] - model.segment(right).logits[..., 0]
        statistics = model.statistics(photo)
        together = [model.segment_maps(Maps(half), None, statistics).logits for half in (left, right)]
    assert apart.abs().mean() > 2 * (together[0][..., -1] - together[1][..., 0]).abs().mean()


@pytest.mark.parametrize("handover", [False, True])
@pytest.mark.parametrize("size", [(40, 52), (37, 23)])
def test_one_tile_equals_the_model(size, handover):
    sr = KBPN(4, stages=2, width=4, kernel_side=5, estimated_side=3, corrector_width=4, modulation_width=4)
    model, photo = small_model(sr, handover=handover), as_tensor(photograph(*size))
    with torch.inference_mode():
        whole = model(photo)
        tiled = TiledModel(model, CPU, tile=64)
        maps, kernel = tiled.restore(photo)
        prob = tiled.segment(maps, kernel)
    torch.testing.assert_close(maps.image, whole.sr, rtol=0, atol=1e-6)
    torch.testing.assert_close(kernel, whole.kernel)
    torch.testing.assert_close(prob, whole.logits.sigmoid(), rtol=0, atol=1e-5)


def test_one_network_for_both_tasks_tile_by_tile():
    """DSRL segments what it was given, not what it restored; a sharp photograph is segmented at its size."""
    torch.manual_seed(0)
    model, photo = DSRL(encoder="resnet18", width=0.1).eval(), as_tensor(photograph(40, 52))
    tiled = TiledModel(model, CPU, tile=64)
    with torch.inference_mode():
        whole, sharp = model(photo), model.segment(photo)
        maps, kernel = tiled.restore(photo)
        prob, direct = tiled.segment(maps, kernel), tiled.segment(photo)
    assert kernel is None
    torch.testing.assert_close(maps.image, whole.sr, rtol=0, atol=1e-6)
    torch.testing.assert_close(prob, whole.logits.sigmoid(), rtol=0, atol=1e-5)
    torch.testing.assert_close(direct, sharp.logits.sigmoid(), rtol=0, atol=1e-5)
    found = search(TiledModel(model, CPU, tile=32, overlap=8), photograph(40, 52), restore=True)
    assert found.probability.shape == (40, 52) and found.restored.shape == (160, 208, 3)
    assert np.isfinite(found.fine).all() and found.fine.min() >= 0 and found.fine.max() <= 1


def test_a_pixel_is_crack_if_a_crack_runs_through_it():
    model = TiledModel(small_model(Bicubic(4)), CPU, tile=32, overlap=8)
    pixels = photograph(40, 30)
    found = search(model, pixels, restore=True)
    assert found.probability.shape == (40, 30) and found.fine.shape == (160, 120)
    assert found.restored.shape == (160, 120, 3) and found.restored.dtype == np.uint8
    blocks = found.fine.reshape(40, 4, 30, 4)
    assert np.array_equal(found.probability, blocks.max((1, 3)))
    assert np.array_equal(found.probability >= 0.5, (blocks >= 0.5).any((1, 3)))
    direct = search(model, pixels, restore=False)
    assert direct.restored is None and direct.probability.shape == (40, 30)


@pytest.mark.parametrize("restore", [False, True])
def test_nothing_is_found_where_nothing_was_photographed(restore):
    """Elsewhere the answer stays; the share of cracks is that of what was photographed."""
    model = TiledModel(small_model(Bicubic(4)), CPU, tile=32, overlap=8)
    pixels, transparent = photograph(40, 30), np.zeros((40, 30), bool)
    transparent[:, 18:] = transparent[5, 5] = True
    whole, found = search(model, pixels, restore), search(model, pixels, restore, transparent=transparent)
    factor = 4 if restore else 1
    fine = np.kron(transparent, np.ones((factor, factor))) > 0
    assert whole.fine[fine].min() > 0 and (found.fine[fine] == 0).all() and (found.probability[transparent] == 0).all()
    assert np.array_equal(found.fine[~fine], whole.fine[~fine])
    assert np.array_equal(found.probability[~transparent], whole.probability[~transparent])
    threshold = float(np.median(whole.fine))
    assert found.crack_fraction(threshold) == pytest.approx((whole.fine[~fine] >= threshold).mean())
    nothing = search(model, pixels, restore, transparent=np.ones((40, 30), bool))
    assert nothing.crack_fraction(threshold) == 0 and nothing.fine.max() == 0


@pytest.mark.parametrize("tile,overlap", [(8, 0), (64, 64), (64, -1)])
def test_impossible_tiles(tile, overlap):
    with pytest.raises(UserError, match=f"--tile {tile} --overlap {overlap}"):
        TiledModel(small_model(Bicubic(4)), CPU, tile, overlap)
