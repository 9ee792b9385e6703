"""Where options become an evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from data.protocol import Source
from degradations.frozen import FrozenSet
from engine.build.data import build_degradation
from engine.evaluate.evaluator import Evaluator
from engine.options import Options
from engine.runtime.distributed import ALONE, ProcessGroup
from engine.runtime.precision import FLOAT32, Precision
from metrics.scores import ScoringRules


def build_evaluator(
    options: Options,
    source: Source,
    device: torch.device,
    conditions: Sequence[str],
    *,
    seed: int = 0,
    surface: int = 1,
    threshold: float | None = None,
    baselines: Sequence[str] = (),
    keep: int = 0,
    frozen: FrozenSet | None = None,
    group: ProcessGroup = ALONE,
    precision: Precision = FLOAT32,
) -> Evaluator:
    """The evaluator of these conditions (hr, clean, degraded), by the rules of the options; else as ``Evaluator``."""
    return Evaluator(
        source,
        device,
        {name: None if name == "hr" else build_degradation(options, name) for name in conditions},
        scale=options.scale,
        rules=replace(scoring_rules(options), threshold=threshold),
        minimum_area=options.postprocess.minimum_area,
        seed=seed,
        surface=surface,
        baselines=baselines,
        keep=keep,
        frozen=frozen,
        group=group,
        precision=precision,
    )


def scoring_rules(options: Options) -> ScoringRules:
    """The rules of distances, with the corrections in force."""
    return ScoringRules(
        percentile=95.0 if options.in_force.hd_percentile_95 else 50.0,
        empty="diagonal" if options.in_force.empty_diagonal else "width",
    )
