"""Exposure of a photograph: too little light, a lifted or sunken tone curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from degradations.ranges import read_range
from degradations.step import Drawn, State, Step, column


def expose(image: Tensor, gain: Tensor, gamma: Tensor) -> Tensor:
    """Return ``gain * image ** gamma``, clipped to [0, 1] before and after.

    Args:
        image: [B,C,H,W].
        gain: [B], above 0; below 1 darkens.
        gamma: [B], above 0; above 1 darkens the middle, not white.
    """
    # In float64: powers in float32 differ in the last bit with a value's place in memory, and so with the batch.
    gain, gamma = (values.double().view(-1, 1, 1, 1) for values in (gain, gamma))
    return (gain * image.double().clamp(0, 1) ** gamma).clamp(0, 1).to(image.dtype)


class Exposure(Step):
    """Change the light. Put it before the noise: a darker image then has less light for the same noise.

    Args:
        gain: factor on the values; number or [low, high], in 0.01 to 10.
        gamma: exponent on the values; likewise.
        probability: of being applied to a sample, in [0, 1].
    """

    type = "exposure"

    def __init__(self, gain: object = (0.3, 1.2), gamma: object = (0.8, 1.5), probability: float = 1.0) -> None:
        gain_range, gamma_range = read_range(gain, "gain", 0.01, 10.0), read_range(gamma, "gamma", 0.01, 10.0)
        super().__init__(probability, gain=gain_range, gamma=gamma_range)

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        gain, gamma = (column(drawn, key, state.image) for key in ("gain", "gamma"))
        return replace(state, image=expose(state.image, gain, gamma))
