"""The pipeline: what it draws, for whom, in which order; presets; what it refuses."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from contracts.errors import UserError
from degradations import kernels
from degradations.blur import blur
from degradations.pipeline import Pipeline
from degradations.presets import PRESETS, build_pipeline
from degradations.resize import bicubic_downsample
from degradations.steps import STEPS, Downscale
from tests.helpers.errors import error_of

NAMES = ("a/001", "a/002", "b/001", "ü 7")
DOWN = {"type": "downscale"}


@pytest.fixture(scope="module")
def hr() -> torch.Tensor:
    return torch.rand(4, 3, 48, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_shapes_and_plain_draws(hr: torch.Tensor, preset: str) -> None:
    degraded = build_pipeline(preset)(hr, NAMES, seed=1, epochs=2)
    assert degraded.lr.shape == (4, 3, 12, 16) and degraded.lr.dtype == hr.dtype
    assert degraded.kernel.shape == (4, 1, 21, 21)
    assert (degraded.kernel.sum(dim=(1, 2, 3)) - 1).abs().max() < 1e-6
    assert json.loads(json.dumps(degraded.drawn)) == list(degraded.drawn)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_sample_does_not_depend_on_its_batch(hr: torch.Tensor, preset: str) -> None:
    pipeline = build_pipeline(preset)
    whole = pipeline(hr, NAMES, seed=1, epochs=(0, 1, 2, 3))
    mirrored = pipeline(hr.flip(0), NAMES[::-1], seed=1, epochs=(3, 2, 1, 0))
    assert torch.equal(mirrored.lr.flip(0), whole.lr) and mirrored.drawn[::-1] == whole.drawn
    for row, name in enumerate(NAMES):
        alone = pipeline(hr[row : row + 1], [name], seed=1, epochs=row)
        assert torch.equal(alone.lr[0], whole.lr[row])
        assert torch.equal(alone.kernel[0], whole.kernel[row])
        assert alone.drawn[0] == whole.drawn[row]


def test_names_epochs_and_seeds_change_the_draw() -> None:
    pipeline = build_pipeline("field")
    keys = [("a", 0, 0), ("b", 0, 0), ("a", 1, 0), ("a", 0, 1), ("a1", 0, 0), ("a", 10, 0), ("a", 1, 10)]
    drawn = [json.dumps(pipeline.draw(name, seed, epoch)) for name, seed, epoch in keys]
    assert len(set(drawn)) == len(keys)
    assert pipeline.draw("a", 0, 0) == build_pipeline("field").draw("a", 0, 0)


def test_the_draw_of_a_name_is_for_ever() -> None:
    drawn = build_pipeline("kondo_ukita").draw("001", seed=0, epoch=0)["blur"]
    assert drawn == {
        "kernel": "anisotropic_gaussian",
        "sigma_x": 0.2820214982449108,
        "sigma_y": 3.3690062227673554,
        "theta": 1.6983907719835445,
    }


def test_other_steps_do_not_change_a_steps_draw() -> None:
    with_noise = build_pipeline([*PRESETS["kondo_ukita"], {"type": "gaussian_noise"}])
    assert with_noise.draw("x", 3)["blur"] == build_pipeline("kondo_ukita").draw("x", 3)["blur"]


def test_kondo_ukita_is_the_papers(hr: torch.Tensor) -> None:
    pipeline = build_pipeline("kondo_ukita", border="zero")
    degraded = pipeline(hr.double(), NAMES, seed=5)
    columns = [
        torch.tensor([one["blur"][key] for one in degraded.drawn], dtype=torch.float64)
        for key in ("sigma_x", "sigma_y", "theta")
    ]
    kernel = kernels.anisotropic_gaussian(*columns)
    assert torch.equal(degraded.kernel, kernel)
    assert torch.allclose(degraded.lr, bicubic_downsample(blur(hr.double(), kernel, "zero"), 4), atol=1e-14)


def test_kondo_ukita_draws_uniformly_from_the_papers_ranges() -> None:
    pipeline = build_pipeline("kondo_ukita")
    drawn = [pipeline.draw(str(name), seed=0)["blur"] for name in range(2000)]
    for key, low, high in (("sigma_x", 0.2, 4.0), ("sigma_y", 0.2, 4.0), ("theta", 0.0, 180.0)):
        values = np.array([one[key] for one in drawn])
        assert low <= values.min() and values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.05)
        assert values.std() == pytest.approx((high - low) / 12**0.5, rel=0.05)
    across = np.corrcoef([one["sigma_x"] for one in drawn], [one["sigma_y"] for one in drawn])
    assert abs(across[0, 1]) < 0.07


def test_clean_is_the_reduction_alone(hr: torch.Tensor) -> None:
    degraded = build_pipeline("clean", scale=2)(hr, NAMES, seed=0)
    assert torch.equal(degraded.lr, bicubic_downsample(hr, 2))
    assert torch.equal(degraded.kernel, kernels.delta(4))


def test_field_draws_every_kernel_by_its_weight() -> None:
    pipeline = build_pipeline("field")
    names = [pipeline.draw(str(name), seed=0)["blur"]["kernel"] for name in range(1000)]
    share = {name: names.count(name) / 1000 for name in set(names)}
    expected = {"anisotropic_gaussian": 0.4, "isotropic_gaussian": 0.2, "motion": 0.2, "disk": 0.2}
    assert share == pytest.approx(expected, abs=0.05)


def test_probability_leaves_samples_untouched(hr: torch.Tensor) -> None:
    often = {"probability": 0.5}
    steps = [
        {"type": "blur", "kernel": "disk", "radius": 3, **often},
        DOWN,
        {"type": "poisson_noise", "peak": 100, **often},
        {"type": "jpeg", "quality": 50, **often},
    ]
    degraded = Pipeline(steps)(hr.repeat(8, 1, 1, 1), [str(name) for name in range(32)], seed=0)
    clean = bicubic_downsample(hr, 4).repeat(8, 1, 1, 1)
    applied = [[one[key] is not None for one in degraded.drawn] for key in ("blur", "poisson_noise", "jpeg")]
    assert all(4 < sum(column) < 28 for column in applied)
    for row, any_step in enumerate(np.any(applied, axis=0)):
        assert torch.equal(degraded.lr[row], clean[row]) != any_step
    is_delta = (degraded.kernel == kernels.delta(32)).all(dim=3).all(dim=2)[:, 0]
    assert is_delta.tolist() == [not blurred for blurred in applied[0]]


def test_steps_run_in_the_given_order(hr: torch.Tensor) -> None:
    noise = {"type": "gaussian_noise", "sigma": 0.1}
    before, after = Pipeline([noise, DOWN]), Pipeline([DOWN, noise])
    clean = bicubic_downsample(hr, 4)
    assert after.draw("x", 0) == before.draw("x", 0)
    early = (before(hr, NAMES, seed=0).lr - clean).std()
    late = (after(hr, NAMES, seed=0).lr - clean).std()
    assert late.item() == pytest.approx(0.1, rel=0.1) and early < 0.6 * late  # reduction averages noise


def test_quantise_rounds_and_clamps(hr: torch.Tensor) -> None:
    steps = [DOWN, {"type": "gaussian_noise", "sigma": 0.5}]
    lr = Pipeline(steps, quantise=True)(hr, NAMES, seed=0).lr
    assert lr.min() == 0 and lr.max() == 1
    assert torch.equal(lr, (lr * 255).round() / 255)
    assert Pipeline(steps)(hr, NAMES, seed=0).lr.max() > 1


def test_repeated_steps_draw_apart() -> None:
    noise = {"type": "gaussian_noise"}
    drawn = Pipeline([noise, DOWN, noise]).draw("x", 0)
    assert list(drawn) == ["gaussian_noise", "downscale", "gaussian_noise_2"]
    assert drawn["gaussian_noise"] != drawn["gaussian_noise_2"]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_description_builds_the_same_pipeline(preset: str) -> None:
    described = json.loads(json.dumps(build_pipeline(preset).describe()))
    assert described["scale"] == 4
    again = Pipeline(**described)
    assert again.describe() == described
    assert again.draw("x", 0) == build_pipeline(preset).draw("x", 0)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_works_alone(hr: torch.Tensor, name: str) -> None:
    step = {"type": name, "kernel": "motion"} if name == "blur" else {"type": name}
    steps = [DOWN] if name == "downscale" else [step, DOWN]
    degraded = Pipeline(steps)(hr, NAMES, seed=0)
    assert degraded.lr.shape == (4, 3, 12, 16) and degraded.lr.isfinite().all()
    plain = bicubic_downsample(hr, 4)
    same = [torch.equal(lr, alone) for lr, alone in zip(degraded.lr, plain, strict=True)]
    assert same == [name == "downscale"] * 4


def test_step_objects_share_the_pipelines_settings() -> None:
    assert Pipeline([Downscale(scale=2)], scale=2).scale == 2
    with pytest.raises(ValueError, match="another scale"):
        Pipeline([Downscale(scale=2)], scale=4)


BLUR = {"type": "blur", "kernel": "disk"}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "exactly one step of type 'downscale' is needed, found none"),
        ([DOWN, DOWN], "exactly one .* found 2"),
        ([DOWN, BLUR], "put the blur before the downscale"),
        ([BLUR, BLUR, DOWN], "one blur at most"),
        ([{"type": "jpg"}, DOWN], r"step 1 \(jpg\): unknown degradation step 'jpg' \(did you mean 'jpeg'"),
        ([DOWN, {"quality": 3}], r"step 2 \(no type\): .*choose one of: blur, downscale"),
        ([DOWN, "jpeg"], "step 2: expected {type: name"),
        ([DOWN, {"type": "jpeg", "qualty": 3}], "'qualty' .*did you mean 'quality'.*: probability, quality"),
        ([{"type": "downscale", "probability": 0.5}], "unknown parameter 'probability'"),
        ([{"type": "downscale", "scale": 2}], "'scale' belongs to the whole pipeline"),
        ([{"type": "downscale", "antialias": 1}], "antialias: expected true or false"),
        ([DOWN, {"type": "jpeg", "quality": [0, 50]}], "quality: expected a number between 1 and 100"),
        ([DOWN, {"type": "jpeg", "quality": [90, 50]}], "low <= high"),
        ([DOWN, {"type": "jpeg", "quality": [90, 95, 99]}], r"number or \[low, high\]"),
        ([DOWN, {"type": "jpeg", "probability": 2}], "probability: expected a number between 0 and 1"),
        ([DOWN, {"type": "gaussian_noise", "sigma": "much"}], "sigma: expected a number .* received 'much'"),
        ([{"type": "blur"}, DOWN], "give either 'kernel' with its ranges, or 'mixture'"),
        ([{"type": "blur", "kernel": "disc"}, DOWN], "unknown blur kernel 'disc' .*did you mean 'disk'"),
        ([{"type": "blur", "kernel": "disk", "sigma": 1}, DOWN], "'sigma' of kernel 'disk'.*: radius"),
        ([{**BLUR, "radius": [1, 11]}, DOWN], "radius: expected a number between 0 and 10"),
        ([{"type": "blur", "kernel": "motion", "length": 21}, DOWN], "between 0 and 20, received 21"),
        ([{"type": "blur", "mixture": [{"kernel": "disk", "weight": 0}]}, DOWN], "at least one 'weight'"),
        ([{"type": "blur", "mixture": [{"radius": 1}]}, DOWN], "every entry needs 'kernel'"),
        ([{"type": "blur", "mixture": ["disk"]}, DOWN], "mixture: expected a list of"),
        ([{"type": "blur", "mixture": "disk"}, DOWN], "mixture: expected a list of"),
    ],
)
def test_mistakes_get_one_clear_line(steps: list, message: str) -> None:
    assert re.search(message, error_of(Pipeline, steps))


def test_other_mistakes(hr: torch.Tensor) -> None:
    with pytest.raises(UserError, match="did you mean 'field'"):
        build_pipeline("fields")
    with pytest.raises(UserError, match="odd"):
        build_pipeline("clean", kernel_side=20)
    with pytest.raises(UserError, match="border"):
        build_pipeline("clean", border="wrap")
    with pytest.raises(UserError, match="crop it to sides that 4 divides, such as 44x64"):
        build_pipeline("clean")(hr[:, :, :46], NAMES, seed=0)
    with pytest.raises(ValueError, match="as many names"):
        build_pipeline("clean")(hr, NAMES[:2], seed=0)
