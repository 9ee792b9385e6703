"""How an evaluation runs, in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from degradations.frozen import FrozenSet
from engine.runtime.distributed import ALONE, ProcessGroup
from engine.runtime.precision import FLOAT32, Precision


@dataclass(frozen=True)
class EvaluationSettings:
    """How an evaluation runs.

    Attributes:
        seed: of the degradation.
        draws: of the degradation for each photograph; only the condition degraded is repeated.
        surface: every n-th threshold for HD95_min and AHD95; 0: distances at 0.5 only.
        thresholds: by condition, one of the 99 to score masks at besides 0.5.
        baselines: names of metrics.baselines to score too.
        keep: number of images whose predictions are kept for pictures.
        frozen: rendered LR images to use instead of drawing.
        group: which photographs this process takes.
        precision: of the networks.
    """

    seed: int = 0
    draws: int = 1
    surface: int = 1
    thresholds: Mapping[str, float] = field(default_factory=dict)
    baselines: Sequence[str] = ()
    keep: int = 0
    frozen: FrozenSet | None = None
    group: ProcessGroup = ALONE
    precision: Precision = FLOAT32
