"""What a step of a degradation pipeline is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from degradations.ranges import read_number

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
    """One step. probability: of being applied to a sample, in [0, 1]."""

    type: ClassVar[str]

    def __init__(self, probability: float = 1.0) -> None:
        self.probability = read_number(probability, "probability", 0.0, 1.0)

    def describe(self) -> dict[str, object]:
        """Return the step as options would give it, defaults filled in."""
        chance = {} if self.probability == 1 else {"probability": self.probability}
        return {"type": self.type, **self.parameters(), **chance}

    @abstractmethod
    def parameters(self) -> dict[str, object]:
        """Return the parameters other than the probability, plain numbers, names and lists."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Drawn:
        """Return one sample's parameters, plain Python numbers and names."""

    @abstractmethod
    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        """Apply to a batch, sample i with the parameters ``drawn[i]``."""


def column(drawn: Sequence[Drawn], key: str, like: Tensor) -> Tensor:
    """Return one drawn parameter of all samples, [B], on the device and in the dtype of ``like``."""
    return torch.tensor([sample[key] for sample in drawn], dtype=like.dtype, device=like.device)
