"""All that a training needs to go on to the bit, as one record in one file."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from data.catalogue import Catalogue
from engine.runtime.checkpoint import load_file, save_atomic

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class TrainingState:
    """The content of ``training_states/latest.state``.

    Attributes:
        model: the averaged weights.
        step: as every checkpoint has it, like ``meta`` and ``options``.
        trained: the weights in training.
        ema: state of the average.
        optimizer: its state.
        stage_index: of the stage that the step ended in.
        best: the score of the best weights.
        rng: random states, one for each process.
        teacher: weights of a teacher that this training made.
        run_id: of the W&B run.
        log: sums of the log, one for each process.
        lengths: steps of each stage; earlier versions did not write this and what follows.
        photographs: what is trained on and validated with.
        unfinished: whether the validation of ``step`` is still to be done.
    """

    model: Weights
    step: int
    meta: dict[str, Any]
    options: dict[str, Any]
    trained: Weights
    ema: dict[str, Any]
    optimizer: dict[str, Any]
    stage_index: int
    best: float
    rng: list[dict[str, Any]]
    teacher: Weights | None
    run_id: str | None
    log: list[dict[str, Any]] | dict[str, Any]
    lengths: list[int] | None = None
    photographs: dict[str, Catalogue] | None = None
    unfinished: bool = False

    @classmethod
    def read(cls, path: Path) -> TrainingState:
        """The state of a file. Raises UserError where it is another thing, or lacks an entry."""
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        content = load_file(path, *needed)
        return cls(**{field.name: content[field.name] for field in fields(cls) if field.name in content})

    def write(self, path: Path) -> None:
        """Write it whole or not at all. Raises UserError where the disk refuses."""
        save_atomic({field.name: getattr(self, field.name) for field in fields(self)}, path)
