"""What a step of a degradation pipeline is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from degradations.ranges import Range, read_number

Drawn = dict[str, object]


@dataclass(frozen=True)
class State:
    """What steps hand on.

    Attributes:
        image: [B,C,H,W] in its present size.
        kernel: [B,1,k,k] of the blur so far.
    """

    image: Tensor
    kernel: Tensor


class Step(ABC):
    """One step.

    Args:
        probability: of being applied to a sample, in [0, 1].
        ranges: those that its parameters are drawn from, by the name that options use.
    """

    type: ClassVar[str]

    def __init__(self, probability: float = 1.0, **ranges: Range) -> None:
        self.probability = read_number(probability, "probability", 0.0, 1.0)
        self.ranges = ranges

    def describe(self) -> dict[str, object]:
        """Return the step as options would give it, defaults filled in."""
        chance = {} if self.probability == 1 else {"probability": self.probability}
        return {"type": self.type, **self.parameters(), **chance}

    def parameters(self) -> dict[str, object]:
        """Return the parameters other than the probability, plain numbers, names and lists."""
        return {name: values.plain() for name, values in self.ranges.items()}

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Return one sample's parameters, plain Python numbers and names."""
        return {name: values.draw(rng) for name, values in self.ranges.items()}

    @abstractmethod
    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        """Apply the step to a batch.

        Args:
            state: image and kernel so far.
            drawn: the parameters of each of the B samples, as from ``draw``.
        """


def column(drawn: Sequence[Drawn], key: str, like: Tensor) -> Tensor:
    """One drawn parameter of all samples.

    Args:
        drawn: the parameters of each of the B samples.
        key: name of the parameter.
        like: a tensor of the device and dtype of the result.

    Returns:
        [B].
    """
    return torch.tensor([sample[key] for sample in drawn], dtype=like.dtype, device=like.device)
