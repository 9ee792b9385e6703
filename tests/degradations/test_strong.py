"""Resampling against Pillow and SciPy, exposure worked out by hand, and the preset ``strong``."""

from __future__ import annotations

import math
import re
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from degradations.exposure import expose
from degradations.pipeline import Pipeline
from degradations.presets import build_pipeline
from degradations.rescale import FILTERS, LEVELS, WAYS_BACK, rescale
from tests.helpers.errors import error_of

DOWN = {"type": "downscale"}
PILLOWS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def noise(*sides: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*sides, generator=torch.Generator().manual_seed(seed))


def pillow(plane: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    """Resize float32 [h,w] to ``size``, height first."""
    return np.asarray(Image.fromarray(plane).resize(size[::-1], PILLOWS[name]))


def nearest(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixel whose area holds the centre of the new one, by exact integers."""
    rows, columns = (
        [(2 * place + 1) * old // (2 * new) for place in range(new)] for old, new in zip(plane.shape, size, strict=True)
    )
    return plane[np.ix_(rows, columns)]


def area(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over the whole pixels that each new pixel touches."""
    edges = [
        [(place * old // new, math.ceil((place + 1) * old / new)) for place in range(new)]
        for old, new in zip(plane.shape, size, strict=True)
    ]
    return np.array([[plane[top:low, left:right].mean() for left, right in edges[1]] for top, low in edges[0]])


@pytest.mark.parametrize(("factor", "back"), product([0.5, 0.73, 1.4], WAYS_BACK))
@pytest.mark.parametrize("name", FILTERS)
def test_rescale_is_what_the_filters_of_others_give(name: str, factor: float, back: str) -> None:
    image = noise(2, 3, 31, 45)
    size = round(31 * factor), round(45 * factor)
    there = {"nearest": nearest, "area": area}.get(name, lambda plane, sides: pillow(plane, sides, name))
    rescaled = rescale(image, factor, name, back)
    for plane, found in zip(image.flatten(0, 1).numpy(), rescaled.flatten(0, 1).numpy(), strict=True):
        expected = pillow(there(plane, size).astype(np.float32), (31, 45), back)
        np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(("name", "back"), product(FILTERS, WAYS_BACK))
def test_rescale_moves_nothing(name: str, back: str) -> None:
    """A blot in the middle, and a picture and its mirror image, stay where they are."""
    rows, columns = np.mgrid[:41, :33]
    blot = np.exp(-((rows - 20.0) ** 2 + (columns - 16.0) ** 2) / 32)
    for factor in (0.5, 0.6, 1.4):
        rescaled = rescale(torch.from_numpy(blot)[None, None], factor, name, back)[0, 0].numpy()
        assert ndimage.center_of_mass(rescaled) == pytest.approx((20, 16), abs=0.15)


def test_a_grey_area_stays_and_detail_goes() -> None:
    grey, fine = torch.full((1, 3, 9, 7), 0.3), noise(1, 3, 64, 64)
    for name, back in product(FILTERS, WAYS_BACK):
        assert (rescale(grey, 0.5, name, back) - 0.3).abs().max() < 1e-6
        assert rescale(fine, 0.5, name, back).std() < 0.85 * fine.std()
    assert rescale(noise(1, 3, 1, 2), 0.1, "area", "bilinear").shape == (1, 3, 1, 2)


def test_rescale_draws_few_factors_in_equal_ratios() -> None:
    pipeline = Pipeline([DOWN, {"type": "rescale", "factor": [0.5, 2.0]}])
    drawn = [pipeline.draw(str(name), seed=0)["rescale"] for name in range(1000)]
    factors, counts = np.unique([one["factor"] for one in drawn], return_counts=True)
    np.testing.assert_allclose(factors, [0.5, 0.5**0.5, 1.0, 2**0.5, 2.0])
    assert len(factors) == LEVELS and counts.min() > 150
    for key, names in (("filter", FILTERS), ("back", WAYS_BACK)):
        share = [sum(one[key] == name for one in drawn) / 1000 for name in names]
        assert share == pytest.approx([1 / len(names)] * len(names), abs=0.05)
    fixed = Pipeline([DOWN, {"type": "rescale", "factor": 0.8, "filters": ["area"]}]).draw("x", 0)["rescale"]
    assert fixed["factor"] == 0.8 and fixed["filter"] == "area"


@pytest.mark.parametrize("name", ["rescale", "exposure"])
def test_a_sample_depends_on_itself_alone(name: str) -> None:
    """Of an odd size, in whatever part of a batch; those that did not draw the step are as they were."""
    hr, names = noise(12, 3, 60, 44), [f"photograph {number}" for number in range(12)]
    pipeline = Pipeline([DOWN, {"type": name, "probability": 0.6}])
    whole = pipeline(hr, names, seed=3)
    parts = [pipeline(hr[part], names[part], seed=3).lr for part in (slice(0, 5), slice(5, 12))]
    assert whole.lr.shape == (12, 3, 15, 11)
    assert torch.equal(torch.cat(parts), whole.lr)
    before = Pipeline([DOWN])(hr, names, seed=3).lr
    changed = [not torch.equal(one, other) for one, other in zip(before, whole.lr, strict=True)]
    assert changed == [one[name] is not None for one in whole.drawn] and 0 < sum(changed) < 12


def test_every_sample_is_resampled_as_it_drew() -> None:
    lr, names = noise(9, 3, 15, 11), list("abcdefghi")
    made = Pipeline([DOWN, {"type": "rescale"}], scale=1)(lr, names, seed=0)
    for one, image, drawn in zip(made.lr, lr, made.drawn, strict=True):
        assert torch.equal(one, rescale(image[None], **drawn["rescale"])[0])


def test_exposure_by_hand() -> None:
    image = torch.tensor([-0.2, 0.0, 0.25, 0.5, 1.0, 1.3]).view(1, 1, 1, 6).repeat(3, 1, 1, 1)
    made = expose(image, torch.tensor([0.5, 2.0, 1.0]), torch.tensor([2.0, 1.0, 0.5]))
    expected = [
        [0.0, 0.0, 0.03125, 0.125, 0.5, 0.5],
        [0.0, 0.0, 0.5, 1.0, 1.0, 1.0],
        [0.0, 0.0, 0.5, 0.5**0.5, 1.0, 1.0],
    ]
    np.testing.assert_allclose(made.flatten(1).numpy(), expected, rtol=1e-6)


def test_darkness_before_the_noise_makes_it_matter_more() -> None:
    hr, names = torch.full((4, 3, 64, 64), 0.6), list("abcd")
    photons = {"type": "poisson_noise", "peak": 500}
    light = Pipeline([DOWN, photons])(hr, names, seed=0).lr
    dark = Pipeline([DOWN, {"type": "exposure", "gain": 0.25, "gamma": 1}, photons])(hr, names, seed=0).lr
    ratio = (dark.std() / dark.mean()) / (light.std() / light.mean())
    assert ratio.item() == pytest.approx(2.0, rel=0.05)  # shot noise is the root of a quarter


def test_strong_does_everything_field_does_and_twice() -> None:
    pipeline = build_pipeline("strong")
    assert set(build_pipeline("field").steps) < set(pipeline.steps)
    assert list(pipeline.steps)[-2:] == ["rescale_2", "jpeg_2"]
    drawn = [pipeline.draw(str(name), seed=0) for name in range(1000)]
    for key, chance in (("exposure", 0.3), ("rescale", 0.5), ("rescale_2", 0.2), ("jpeg_2", 0.3), ("jpeg", 1.0)):
        assert sum(one[key] is not None for one in drawn) / 1000 == pytest.approx(chance, abs=0.05)
    widest = {
        kind: max(max(v for k, v in one["blur"].items() if k in keys) for one in drawn if one["blur"]["kernel"] == kind)
        for kind, keys in (("motion", ("length",)), ("isotropic_gaussian", ("sigma",)), ("disk", ("radius",)))
    }
    assert widest == pytest.approx({"motion": 20, "isotropic_gaussian": 5, "disk": 5}, rel=0.05)


def test_strong_keeps_less_of_the_picture_than_field() -> None:
    """By correlation, which brightness does not change."""
    hr = torch.nn.functional.interpolate(noise(40, 3, 32, 32), scale_factor=4, mode="bicubic").clamp(0, 1)
    names = [str(number) for number in range(40)]
    presets = "clean", "field", "strong"
    made = {name: build_pipeline(name)(hr, names, seed=0).lr.flatten(1).numpy() for name in presets}
    kept = {
        name: np.mean([np.corrcoef(one, clean)[0, 1] for one, clean in zip(made[name], made["clean"], strict=True)])
        for name in ("field", "strong")
    }
    assert kept["strong"] < kept["field"] - 0.03


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"type": "rescale", "factor": [0.05, 1]}, "factor: expected a number between 0.1 and 4"),
        ({"type": "rescale", "filters": ["nearst"]}, "unknown filter 'nearst' .*did you mean 'nearest'"),
        ({"type": "rescale", "filters": "nearest"}, r"filters: expected a list such as \[nearest, area\]"),
        ({"type": "rescale", "filters": []}, "filters: expected a list"),
        ({"type": "exposure", "gain": 0}, "gain: expected a number between 0.01 and 10"),
        ({"type": "exposure", "gamma": [2, 1]}, "gamma: expected .* low <= high"),
    ],
)
def test_mistakes_are_named(step: dict, message: str) -> None:
    assert re.search(message, error_of(Pipeline, [DOWN, step]))
