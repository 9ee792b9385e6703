"""What is compared: systems of trainings, each with the figures of every photograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL = "model"  # what is not a baseline


@dataclass(frozen=True)
class Images:
    """The figures of one condition.

    Attributes:
        names: of the N photographs, in the order of the evaluation.
        columns: of each figure [N,K] for K degradation draws, NaN where it does not apply.
    """

    names: tuple[str, ...]
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Run:
    """One evaluated training.

    Attributes:
        folder: that holds its results.json and per_image.csv.
        meta: of results.json; ``protocol`` says how it was measured.
        conditions: the figures of each photograph by condition (hr, clean, degraded).
        system: "model", or the baseline whose figures these are.
        folds: of a cross-validation: the trainings that this is made of, each with photographs of its own.
    """

    folder: Path
    meta: Mapping[str, Any]
    conditions: Mapping[str, Images]
    system: str = MODEL
    folds: tuple[Run, ...] = ()

    def fold_of(self, name: str) -> Run:
        """The training that a photograph was tested by."""
        for fold in self.folds:
            if any(name in images.names for images in fold.conditions.values()):
                return fold
        return self


@dataclass(frozen=True)
class System:
    """Trainings of one recipe with different seeds."""

    label: str
    runs: tuple[Run, ...]
    source: str = ""

    @property
    def learnt(self) -> bool:
        """Whether it was trained: baselines were not."""
        return self.runs[0].system == MODEL

    def common_conditions(self) -> list[str]:
        """The conditions that all of its trainings were measured under."""
        return [name for name in self.runs[0].conditions if all(name in run.conditions for run in self.runs)]
