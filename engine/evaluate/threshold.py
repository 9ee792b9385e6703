"""The thresholds that masks are scored at besides 0.5: given, or chosen on validation photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from contracts.errors import UserError
from engine.build.data import build_source
from engine.evaluate.build import build_evaluator
from engine.evaluate.evaluation import together
from engine.evaluate.settings import EvaluationSettings
from engine.options import Options
from engine.runtime.progress import Progress
from metrics.names import IOU_MAX_THRESHOLD
from models.base import WholeModel

VALIDATION = "validation"


def thresholds_of(
    options: Options, model: WholeModel, device: torch.device, conditions: Sequence[str], settings: EvaluationSettings
) -> dict[str, float]:
    """A threshold for each condition, as ``evaluation.threshold`` asks; empty for none.

    Args:
        options: of the evaluation.
        model: on the device.
        device: of the model.
        conditions: hr, clean, degraded.
        settings: of the evaluation of the test photographs; the validation runs in the same processes and precision.

    Raises:
        UserError: if thresholds are to be chosen on datasets.val, and there is none.
    """
    asked = options.evaluation.threshold
    if asked != VALIDATION:
        return {} if asked is None else dict.fromkeys(conditions, float(asked))
    photographs = options.datasets.val
    if photographs is None:
        raise UserError("evaluation.threshold: validation needs datasets.val, the photographs to choose it on")
    source = build_source(photographs, "datasets.val")
    own = replace(settings, seed=photographs.seed, surface=0, baselines=(), keep=0, frozen=None)
    evaluator = build_evaluator(options, source, device, conditions, own)
    mine, first = len(own.group.of(range(len(source) * own.draws))), own.group.first
    with Progress(mine, "choosing thresholds", quiet=not first) as bar:
        gathered = own.group.gather(evaluator.run(model, bar.update))
    best: dict[str, float] = {}
    if gathered is not None:
        scores = together(gathered).scores
        best = {condition: scores[condition].summary()[IOU_MAX_THRESHOLD] for condition in conditions}
        told = ", ".join(f"{condition} {value:.2f}" for condition, value in best.items())
        print(f"thresholds chosen on {len(source)} validation photographs: {told}")
    return own.group.from_first(best)
