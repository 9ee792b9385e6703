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

    steps: descriptions such as ``{"type": "blur", "kernel": "disk", "radius": [1, 3]}`` (see steps.STEPS), or
    Step objects made with the same shared settings; exactly one downscale, at most one blur, before it.
    scale: integer; kernel_side: odd; border: of the blur, "reflect" or "zero"; quantise: round the result to
    8 bit and clamp it (test sets), else it stays unclipped float (training).
    Raises ArgumentError that names the step for anything else.
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
        self.steps: dict[str, Step] = _keyed(built)

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
        """Return one sample's parameters by step (``"blur"``, ``"jpeg"``, ``"jpeg_2"``...); None: left out.

        Every step has its own stream: adding or removing another does not change its draw.
        """
        drawn: dict[str, Drawn | None] = {}
        for key, step in self.steps.items():
            rng = sample_generator(seed, epoch, name, key)
            drawn[key] = step.draw(rng) if rng.random() < step.probability else None
        return drawn

    @torch.no_grad()
    def __call__(self, hr: Tensor, names: Sequence[str], seed: int, epochs: int | Sequence[int] = 0) -> Degraded:
        """Degrade a batch on its device.

        hr: [B,3,H,W] float in [0, 1], sides that ``scale`` divides (else UserError); names: B image names;
        epochs: of each sample, or one for all. Sample i depends on hr[i], names[i], seed and its epoch only.
        Returns lr [B,3,H/scale,W/scale], the kernels [B,1,k,k] (delta where not blurred) and the draws.
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

        In training, a blur of every sample and the anti-aliased reduction right after it are one linear step,
        twice as fast and equal up to rounding. Test sets keep the two: rounding to 8 bit could show the difference.
        """
        names = list(self.steps)
        for first, second in itertools.pairwise(names):
            blurs, reduces = self.steps[first], self.steps[second]
            always = isinstance(blurs, Blur) and blurs.probability == 1
            if always and isinstance(reduces, Downscale) and reduces.antialias and not self.quantise:
                place = names.index(first)
                return [*((one,) for one in names[:place]), (first, second), *((one,) for one in names[place + 2 :])]
        return [(one,) for one in names]

    def _pass(self, keys: tuple[str, ...], state: State, drawn: Sequence[Mapping[str, Drawn | None]]) -> State:
        """Apply one entry of ``_passes`` to the batch."""
        values = [one[keys[0]] for one in drawn]
        if len(keys) == 1:
            return _apply(self.steps[keys[0]], state, values)
        # A merged blur is drawn for every sample: none is left out here.
        kernel = build_kernels([one for one in values if one is not None], self.kernel_side).to(state.image)
        return State(blur_and_downsample(state.image, kernel, self.scale, self.border), kernel)


def _build_numbered(number: int, step: Mapping[str, object] | Step, shared: Mapping[str, object]) -> Step:
    """Build one step (or check one already built); an error names the step by its number and type."""
    if isinstance(step, Step):
        wrong = [key for key, value in shared.items() if getattr(step, key, value) != value]
        if wrong:
            raise ValueError(f"step {number} was made with another {wrong[0]} than its pipeline")
        return step
    if not isinstance(step, Mapping):
        raise ArgumentError(f"degradation step {number}: expected {{type: name, ...}}, received {step!r}")
    try:
        return build_step(step, shared)
    except UserError as error:
        raise ArgumentError(f"degradation step {number} ({step.get('type', 'no type')}): {error}") from None


def _check_order(steps: Sequence[Step]) -> None:
    """Raise ArgumentError unless there is one downscale and no more than one blur, before it."""
    downscales = [place for place, step in enumerate(steps) if isinstance(step, Downscale)]
    blurs = [place for place, step in enumerate(steps) if isinstance(step, Blur)]
    if len(downscales) != 1:
        found = "none" if not downscales else str(len(downscales))
        raise ArgumentError(f"degradation: exactly one step of type 'downscale' is needed, found {found}")
    if len(blurs) > 1:
        raise ArgumentError(f"degradation: one blur at most, found {len(blurs)}; give it a 'mixture' of kernels")
    if blurs and blurs[0] > downscales[0]:
        raise ArgumentError("degradation: put the blur before the downscale; kernels are in sharp pixels")


def _keyed(steps: Sequence[Step]) -> dict[str, Step]:
    """Name the steps by type; a type's second step gets ``_2``, and so on."""
    keyed: dict[str, Step] = {}
    for step in steps:
        count = sum(other.type == step.type for other in keyed.values())
        keyed[step.type if not count else f"{step.type}_{count + 1}"] = step
    return keyed


def _apply(step: Step, state: State, drawn: Sequence[Drawn | None]) -> State:
    """Apply a step to those samples that drew it, in one call; the others pass unchanged."""
    chosen = {row: one for row, one in enumerate(drawn) if one is not None}
    if not chosen:
        return state
    if len(chosen) == len(drawn):
        return step.apply(state, list(chosen.values()))
    rows = torch.tensor(list(chosen), device=state.image.device)
    part = step.apply(State(state.image[rows], state.kernel[rows]), list(chosen.values()))
    return State(state.image.index_copy(0, rows, part.image), state.kernel.index_copy(0, rows, part.kernel))
