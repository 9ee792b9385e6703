"""Validation during training: a fixed split, degraded the same way every time."""

from __future__ import annotations

import numpy as np
import torch

from contracts.errors import lookup
from data.sources import Source
from engine.evaluator import Evaluator
from engine.options import Options
from engine.pictures import prediction_panel
from metrics import names
from models.joint import JointModel
from tracking.keys import panel_key, val_key

QUALITY = (names.PSNR, names.SSIM, names.KERNEL_PSNR, names.KERNEL_SSIM)
CHOOSABLE = (*names.AT_HALF, names.IOU_MAX, names.AIU, *QUALITY)


class Validator:
    """Scores the averaged weights on the validation photographs and keeps a few pictures.

    Raises UserError where ``val.best`` names no metric that weights can be chosen by.
    """

    def __init__(self, options: Options, source: Source, device: torch.device) -> None:
        condition, _, self.metric = options.val.best.partition("/")
        lookup(dict.fromkeys(CHOOSABLE), self.metric, "val.best: metric")
        self.best_key = val_key(condition, self.metric)
        seed = options.datasets.val.seed if options.datasets.val is not None else options.seed
        self.evaluator = Evaluator(
            options, source, device, list(options.val.conditions), seed=seed, surface=0, keep=options.logger.pictures
        )

    def check(self, model: JointModel) -> None:
        """Run two images before training, so that a broken validation shows at once."""
        for prediction in self.evaluator.predict(model, limit=2):
            self.evaluator.score(prediction)

    def score(self, values: dict[str, float]) -> float:
        """What the best weights are chosen by, larger is better; -inf where it does not apply."""
        value = values.get(self.best_key)
        if value is None:
            return float("-inf")
        return -value if self.metric in names.LOWER_IS_BETTER else value

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
