"""An ordered degradation of a batch of sharp images, random for each sample, reproducible for each name."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from contracts.errors import ArgumentError, UserError, lookup
from contracts.records import Degraded
from degradations.blur import BORDERS
from degradations.blur_downsample import blur_and_downsample
from degradations.blur_step import Blur
from degradations.kernel_kinds import build_kernels
from degradations.kernels import check_side, delta
from degradations.resize import check_divisible, round_to_8_bit
from degradations.step import Drawn, State, Step
from degradations.steps import Downscale, build_step


def sample_generator(seed: int, epoch: int, name: str, step: str) -> np.random.Generator:
    """Return the generator of one step of one sample: a function of its arguments alone, on any machine."""
    key = f"degradation\0{seed}\0{epoch}\0{step}\0{name}".encode("utf-8", "surrogateescape")
    entropy = int.from_bytes(hashlib.sha256(key).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


class Pipeline:
    """Degrade batches: an ordered list of steps, each drawn anew for every sample.

    Args:
        steps: descriptions such as ``{"type": "blur", "kernel": "disk", "radius": [1, 3]}`` (see steps.STEPS), or
            Step objects made with the same shared settings; exactly one downscale, at most one blur, before it.
        scale: integer, at least 1.
        kernel_side: odd, pixels.
        border: of the blur, "reflect" or "zero".
        quantise: round the result to 8 bit and clamp it (test sets), else it stays unclipped float (training).

    Raises:
        ArgumentError: that names the step, for anything else.
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, object] | Step],
        scale: int = 4,
        kernel_side: int = 21,
        border: str = "reflect",
        quantise: bool = False,
    ) -> None:
        if scale < 1:
            raise ArgumentError(f"scale {scale}: give a whole number of at least 1")
        lookup(BORDERS, border, "border")
        self.scale, self.kernel_side = scale, check_side(kernel_side)
        self.border, self.quantise = border, quantise
        shared = {"scale": scale, "kernel_side": kernel_side, "border": border}
        built = [_build_numbered(number, step, shared) for number, step in enumerate(steps, start=1)]
        _check_order(built)
        self.steps: dict[str, Step] = {}  # by type; a type's second step gets "_2", and so on
        for step in built:
            count = sum(other.type == step.type for other in self.steps.values())
            self.steps[step.type if not count else f"{step.type}_{count + 1}"] = step

    def describe(self) -> dict[str, object]:
        """Return all settings, defaults filled in, as plain data: what a manifest records."""
        return {
            "scale": self.scale,
            "kernel_side": self.kernel_side,
            "border": self.border,
            "quantise": self.quantise,
            "steps": [step.describe() for step in self.steps.values()],
        }

    def draw(self, name: str, seed: int, epoch: int = 0) -> dict[str, Drawn | None]:
        """Draw one sample's parameters.

        Every step has its own stream: adding or removing another does not change its draw.

        Args:
            name: of the image.
            seed: of the degradation.
            epoch: the pass over the data.

        Returns:
            The parameters by step (``"blur"``, ``"jpeg"``, ``"jpeg_2"``...); None: the step is left out.
        """
        drawn: dict[str, Drawn | None] = {}
        for key, step in self.steps.items():
            rng = sample_generator(seed, epoch, name, key)
            drawn[key] = step.draw(rng) if rng.random() < step.probability else None
        return drawn

    @torch.no_grad()
    def __call__(self, hr: Tensor, names: Sequence[str], seed: int, epochs: int | Sequence[int] = 0) -> Degraded:
        """Degrade a batch on its device; sample i depends on hr[i], names[i], seed and its epoch only.

        Args:
            hr: [B,3,H,W] float in [0, 1], sides that ``scale`` divides.
            names: B image names.
            seed: of the degradation.
            epochs: of each sample, or one for all.

        Returns:
            lr [B,3,H/scale,W/scale], the kernels [B,1,k,k] (delta where not blurred) and the draws.

        Raises:
            UserError: for other sides.
        """
        epochs = [epochs] * len(hr) if isinstance(epochs, int) else list(epochs)
        if not len(hr) == len(names) == len(epochs):
            raise ValueError(f"as many names and epochs as images: {len(names)}, {len(epochs)}, {len(hr)}")
        height, width = hr.shape[-2:]
        check_divisible(height, width, self.scale)
        drawn = tuple(self.draw(name, seed, epoch) for name, epoch in zip(names, epochs, strict=True))
        state = State(hr, delta(len(hr), self.kernel_side, like=hr))
        with torch.autocast(hr.device.type, enabled=False):
            for keys in self._passes():
                state = self._pass(keys, state, drawn)
        lr = round_to_8_bit(state.image) if self.quantise else state.image
        return Degraded(lr=lr, kernel=state.kernel, drawn=drawn)

    def _passes(self) -> list[tuple[str, ...]]:
        """Names of the steps, in order, that are applied together: each alone, but for a blur that can be merged.

        In training, a blur of every sample and the anti-aliased downsampling right after it are one linear step,
        twice as fast and equal up to rounding. Test sets keep the two: rounding to 8 bit could show the difference.
        """
        names = list(self.steps)
        for index, (first, second) in enumerate(itertools.pairwise(names)):
            blur, downscale = self.steps[first], self.steps[second]
            always = isinstance(blur, Blur) and blur.probability == 1
            if always and isinstance(downscale, Downscale) and downscale.antialias and not self.quantise:
                before, after = names[:index], names[index + 2 :]
                return [*((name,) for name in before), (first, second), *((name,) for name in after)]
        return [(name,) for name in names]

    def _pass(self, keys: tuple[str, ...], state: State, drawn: Sequence[Mapping[str, Drawn | None]]) -> State:
        """Apply one entry of ``_passes`` to the batch."""
        values = [sample[keys[0]] for sample in drawn]
        if len(keys) == 1:
            return _apply(self.steps[keys[0]], state, values)
        # A merged blur is drawn for every sample: none is left out here.
        kernel = build_kernels([value for value in values if value is not None], self.kernel_side).to(state.image)
        return State(blur_and_downsample(state.image, kernel, self.scale, self.border), kernel)


def _build_numbered(number: int, step: Mapping[str, object] | Step, shared: Mapping[str, object]) -> Step:
    """Build one step (or check one already built); an error names the step by its number and type."""
    if isinstance(step, Step):
        wrong = [key for key, value in shared.items() if getattr(step, key, value) != value]
        if wrong:
            raise ValueError(f"step {number} was made with another {wrong[0]} than its pipeline")
        return step
    if not isinstance(step, Mapping):
        raise ArgumentError(f"step {number}: expected {{type: name, ...}}, received {step!r}")
    try:
        return build_step(step, shared)
    except UserError as error:
        raise ArgumentError(f"step {number} ({step.get('type', 'no type')}): {error}") from None


def _check_order(steps: Sequence[Step]) -> None:
    """Raise ArgumentError unless there is one downscale and no more than one blur, before it."""
    downscales = [index for index, step in enumerate(steps) if isinstance(step, Downscale)]
    blurs = [index for index, step in enumerate(steps) if isinstance(step, Blur)]
    if len(downscales) != 1:
        raise ArgumentError(f"exactly one step of type 'downscale' is needed, found {len(downscales) or 'none'}")
    if len(blurs) > 1:
        raise ArgumentError(f"one blur at most, found {len(blurs)}; give it a 'mixture' of kernels")
    if blurs and blurs[0] > downscales[0]:
        raise ArgumentError("put the blur before the downscale; kernels are in sharp pixels")


def _apply(step: Step, state: State, drawn: Sequence[Drawn | None]) -> State:
    """Apply a step to those samples that drew it, in one call; the others pass unchanged."""
    draws = {row: draw for row, draw in enumerate(drawn) if draw is not None}
    if not draws:
        return state
    if len(draws) == len(drawn):
        return step.apply(state, list(draws.values()))
    rows = torch.tensor(list(draws), device=state.image.device)
    subset = step.apply(State(state.image[rows], state.kernel[rows]), list(draws.values()))
    return State(state.image.index_copy(0, rows, subset.image), state.kernel.index_copy(0, rows, subset.kernel))
