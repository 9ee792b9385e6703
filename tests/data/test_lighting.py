"""Crops in another light: what each kind does, and that it depends on nothing but the sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.errors import UserError
from data.dataset import CrackDataset
from data.lighting import Lighting, kinds
from engine.build.data import build_dataset
from engine.options.load import load_options
from tests.helpers.photographs import Coordinates

SIDE = 64
SEEDS = range(8)
SOURCE = Coordinates([(90, 90)] * 3)


@pytest.fixture(scope="module")
def light() -> Lighting:
    return Lighting(1.0)


def wall(value: float = 0.6) -> Tensor:
    """A plain wall with a darker crack of 4 px across it."""
    hr = torch.full((3, SIDE, SIDE), value)
    hr[:, 30:34] = value / 2
    return hr


@pytest.mark.parametrize("kind", kinds())
def test_a_kind_keeps_size_range_and_the_photograph(light: Lighting, kind: str) -> None:
    hr = wall()
    for seed in SEEDS:
        lit = light.put(hr, kind, seed)
        assert lit.shape == hr.shape and lit.dtype == torch.float32 and lit.min() >= 0 and lit.max() <= 1
    assert torch.equal(hr, wall())
    assert any(not torch.equal(light.put(hr, kind, seed), hr) for seed in SEEDS)


@pytest.mark.parametrize("kind", kinds())
def test_a_crack_stays_where_it_is(light: Lighting, kind: str) -> None:
    """Its rows are darker than the mean of those above and below in most columns, under every light."""
    for seed in SEEDS:
        lit = light.put(wall(), kind, seed).mean(0)
        darker = (lit[24:28].mean(0) + lit[36:40].mean(0)) / 2 - lit[30:34].mean(0)
        assert (darker > 0).float().mean() > 0.8


def test_darkness_darkens_what_no_camera_lifts(light: Lighting) -> None:
    means = [float(light.put(wall(), "dark", seed).mean()) for seed in range(40)]
    assert np.mean(np.array(means) < 0.4) > 0.6
    assert min(means) < 0.1


def test_a_shadow_takes_light_from_one_part_alone(light: Lighting) -> None:
    parts = []
    for seed in range(20):
        taken = wall() - light.put(wall(), "shadow", seed)
        parts.append(float((taken.amax(0) > 1e-4).float().mean()))
        assert (taken > -1e-5).all() and float(taken.max()) < 0.36
    assert np.mean([0.05 < part < 0.95 for part in parts]) > 0.5


def test_slanting_light_is_a_plane(light: Lighting) -> None:
    """Least squares on rows and columns explains what was added."""
    rows, columns = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
    plane = np.stack([rows, columns, np.ones(SIDE**2)], 1)
    for seed in SEEDS:
        added = (light.put(torch.full((3, SIDE, SIDE), 0.5), "slanting", seed) - 0.5)[0].numpy().reshape(-1)
        fitted = plane @ np.linalg.lstsq(plane, added, rcond=None)[0]
        assert np.abs(fitted - added).max() < 0.02 and np.ptp(added) > 0.08


def test_samples_depend_on_themselves_alone() -> None:
    lit = CrackDataset(SOURCE, SIDE, seed=7, lighting=0.5)
    plain = CrackDataset(SOURCE, SIDE, seed=7)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    keys = [(epoch, index) for epoch in range(20) for index in range(len(lit))]
    first = [lit[key] for key in keys]
    assert torch.equal(before, torch.get_rng_state())  # others draw from it as if nothing had happened
    torch.manual_seed(2)
    assert all(torch.equal(lit[key].hr, one.hr) for key, one in zip(reversed(keys), reversed(first), strict=True))
    changed = [not torch.equal(plain[key].hr, one.hr) for key, one in zip(keys, first, strict=True)]
    assert 0.3 < np.mean(changed) < 0.7
    assert all(torch.equal(plain[key].mask, one.mask) for key, one in zip(keys, first, strict=True))


def test_the_option_reaches_the_crops() -> None:
    options = load_options("options/joint.yml", ["datasets:train:augmentation:lighting=0.3"])
    dataset = build_dataset(options, SOURCE)
    assert dataset.light is not None and dataset.light.probability == 0.3
    assert build_dataset(load_options("options/joint.yml"), SOURCE).light is None
    with pytest.raises(UserError, match="lighting: 1.5"):
        CrackDataset(SOURCE, SIDE, seed=7, lighting=1.5)
