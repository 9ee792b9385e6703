"""Validation during training: a fixed split, degraded the same way every time."""

from __future__ import annotations

import numpy as np
import torch

from data.sources import Source
from engine.evaluator import Evaluator
from engine.options import Options
from engine.pictures import prediction_panel
from models.joint import JointModel
from tracking.keys import panel_key, val_key


class Validator:
    """Scores the averaged weights on the validation photographs and keeps a few pictures."""

    def __init__(self, options: Options, source: Source, device: torch.device) -> None:
        seed = options.datasets.val.seed if options.datasets.val is not None else options.seed
        self.evaluator = Evaluator(
            options, source, device, list(options.val.conditions), seed=seed, surface=0, keep=options.logger.pictures
        )

    def check(self, model: JointModel) -> None:
        """Run two images before training, so that a broken validation shows at once."""
        for prediction in self.evaluator.predict(model, limit=2):
            self.evaluator.score(prediction)

    def run(self, model: JointModel) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the figures by key and the pictures by key."""
        result = self.evaluator.run(model)
        values = {
            val_key(condition, name): value
            for condition, scores in result.scores.items()
            for name, value in scores.summary().items()
        }
        counts: dict[str, int] = {}
        pictures = {}
        for prediction in result.kept:
            index = counts.get(prediction.condition, 0)
            counts[prediction.condition] = index + 1
            pictures[panel_key("val", prediction.condition, index)] = prediction_panel(prediction)
        return values, pictures
