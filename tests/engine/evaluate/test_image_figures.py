"""How strong noise and JPEG of a draw were, against noise that is measured and cases by hand."""

from __future__ import annotations

import pytest
import torch

from degradations.presets import build_pipeline
from engine.evaluate.image_figures import noise_and_jpeg


def test_the_noise_is_that_of_a_grey_photograph() -> None:
    steps = [
        {"type": "downscale"},
        {"type": "poisson_noise", "peak": [300, 600]},
        {"type": "gaussian_noise", "sigma": [0.01, 0.04]},
    ]
    pipeline = build_pipeline(steps, scale=2)
    for name in ("a", "b"):
        degraded = pipeline(torch.full((1, 3, 256, 256), 0.5), (name,), seed=3)
        figures = noise_and_jpeg(degraded.drawn[0])
        assert set(figures) == {"noise_sigma"}
        assert figures["noise_sigma"] == pytest.approx(degraded.lr.std().item(), rel=0.03)


@pytest.mark.parametrize(
    ("drawn", "figures"),
    [
        ({"blur": {"sigma_x": 1.0}, "downscale": {}}, {}),
        ({"gaussian_noise": {"sigma": 0.03}, "poisson_noise": {"peak": 312.5}}, {"noise_sigma": 0.05}),
        ({"gaussian_noise": None, "poisson_noise": None}, {"noise_sigma": 0.0}),
        ({"jpeg": {"quality": 60}, "jpeg_2": {"quality": 45}}, {"jpeg_quality": 45.0}),
        ({"jpeg": {"quality": 60}, "jpeg_2": None}, {"jpeg_quality": 60.0}),
        ({"jpeg": None}, {"jpeg_quality": 100.0}),
    ],
)
def test_draws_by_hand(drawn: dict, figures: dict) -> None:
    assert noise_and_jpeg(drawn) == pytest.approx(figures)
