"""Where options become an evaluator."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from data.protocol import Source
from engine.build.data import build_degradation
from engine.evaluate.evaluator import Evaluator
from engine.evaluate.settings import EvaluationSettings
from engine.options import Options
from metrics.scores import ScoringRules


def build_evaluator(
    options: Options, source: Source, device: torch.device, conditions: Sequence[str], settings: EvaluationSettings
) -> Evaluator:
    """The evaluator of some photographs, by the rules of the options.

    Args:
        options: of the experiment.
        source: the photographs.
        device: of the model.
        conditions: the inputs to score (hr, clean, degraded).
        settings: how it runs.
    """
    return Evaluator(
        source,
        device,
        {name: None if name == "hr" else build_degradation(options, name) for name in conditions},
        scale=options.scale,
        rules=scoring_rules(options),
        minimum_area=options.postprocess.minimum_area,
        settings=settings,
    )


def scoring_rules(options: Options) -> ScoringRules:
    """The rules of distances, with the corrections in force."""
    return ScoringRules(
        percentile=95.0 if options.in_force.hd_percentile_95 else 50.0,
        empty="diagonal" if options.in_force.empty_diagonal else "width",
    )
