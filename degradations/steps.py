"""The steps that a degradation pipeline is made of, by the name that options use.

A step draws plain numbers for each sample from that sample's generator, and is applied to the whole batch at
once. To add one: a class with ``apply`` (and with ``parameters`` and ``draw``, if it draws from more than ranges), and
its entry in STEPS.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch

from contracts.errors import ArgumentError, lookup
from degradations.blur_step import Blur
from degradations.exposure import Exposure
from degradations.jpeg import jpeg
from degradations.noise import gaussian_noise, poisson_noise
from degradations.ranges import check_names, read_range
from degradations.rescale import Rescale
from degradations.resize import bicubic_downsample
from degradations.step import Drawn, State, Step, column


class Downscale(Step):
    """Downsample by ``scale``, bicubic. Always applied.

    Args:
        antialias: as of ``bicubic_downsample``.
        scale: integer.
    """

    type = "downscale"

    def __init__(self, antialias: bool = True, scale: int = 4) -> None:
        super().__init__()
        if not isinstance(antialias, bool):
            raise ArgumentError(f"antialias: expected true or false, received {antialias!r}")
        self.antialias, self.scale = antialias, scale

    def parameters(self) -> dict[str, object]:
        return {"antialias": self.antialias}

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        return replace(state, image=bicubic_downsample(state.image, self.scale, self.antialias))


class GaussianNoise(Step):
    """Add white Gaussian noise.

    Args:
        sigma: standard deviation in units of [0, 1], number or [low, high].
        probability: of being applied to a sample, in [0, 1].
    """

    type = "gaussian_noise"

    def __init__(self, sigma: object = (0.0, 0.03), probability: float = 1.0) -> None:
        super().__init__(probability, sigma=read_range(sigma, "sigma", 0.0, 1.0))

    def draw(self, rng: np.random.Generator) -> Drawn:
        return {**super().draw(rng), "noise_seed": _noise_seed(rng)}

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        sigma = column(drawn, "sigma", state.image)
        return replace(state, image=gaussian_noise(state.image, sigma, _generators(drawn)))


class PoissonNoise(Step):
    """Shot noise.

    Args:
        peak: expected photons of a white pixel, number or [low, high], at least 1.
        probability: of being applied to a sample, in [0, 1].
    """

    type = "poisson_noise"

    def __init__(self, peak: object = (400.0, 4000.0), probability: float = 1.0) -> None:
        super().__init__(probability, peak=read_range(peak, "peak", 1.0, 1e6))

    def draw(self, rng: np.random.Generator) -> Drawn:
        return {**super().draw(rng), "noise_seed": _noise_seed(rng)}

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        peak = column(drawn, "peak", state.image)
        return replace(state, image=poisson_noise(state.image, peak, _generators(drawn)))


class Jpeg(Step):
    """Compress as JPEG.

    Args:
        quality: whole number or [low, high] (both included) in 1 to 100.
        probability: of being applied to a sample, in [0, 1].
    """

    type = "jpeg"

    def __init__(self, quality: object = (40, 95), probability: float = 1.0) -> None:
        super().__init__(probability, quality=read_range(quality, "quality", 1, 100))

    def draw(self, rng: np.random.Generator) -> Drawn:
        return {"quality": self.ranges["quality"].draw_whole(rng)}

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        return replace(state, image=jpeg(state.image, column(drawn, "quality", state.image)))


STEPS: dict[str, Callable[..., Step]] = {
    step.type: step for step in (Blur, Downscale, Exposure, Rescale, GaussianNoise, PoissonNoise, Jpeg)
}


def build_step(description: Mapping[str, object], shared: Mapping[str, object]) -> Step:
    """Build a step.

    Args:
        description: ``{"type": name, parameter: value...}``.
        shared: the settings of the whole pipeline.

    Raises:
        ArgumentError: for an unknown type or parameter, with the valid names.
    """
    arguments = dict(description)
    name = str(arguments.pop("type", None))
    step = lookup(STEPS, name, "degradation step")
    for key in shared:
        if key in arguments:
            raise ArgumentError(f"'{key}' belongs to the whole pipeline: set it once, beside the list of steps")
    parameters = inspect.signature(step).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        check_names(arguments, set(parameters) - set(shared), f"step '{name}'")
    return step(**arguments, **{key: value for key, value in shared.items() if key in parameters})


def _noise_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def _generators(drawn: Sequence[Drawn]) -> list[torch.Generator]:
    """Return a CPU generator for each sample, at the start of its noise."""
    return [torch.Generator().manual_seed(cast(int, sample["noise_seed"])) for sample in drawn]
