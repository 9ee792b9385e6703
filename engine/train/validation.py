"""Validation during training: a fixed split, degraded the same way every time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from contracts.errors import UserError, lookup
from data.distance import signed_distance_map
from engine.evaluate.evaluation import EvaluatedImage
from engine.evaluate.evaluator import Evaluator
from engine.evaluate.pictures import drawn, panels
from losses.combo import SegmentationLoss
from losses.image_label import ImageLabelLoss
from metrics import names
from models.base import WholeModel
from tracking.keys import val_key

CHOOSABLE = {name: metric for name, metric in names.METRICS.items() if metric.of not in ("distances", "count")}


class Validator:
    """Scores the averaged weights on the validation photographs and keeps a few pictures.

    Args:
        evaluator: of those photographs.
        loss: of the segmentation, as it is trained with.
        best: "CONDITION/METRIC", what the best weights are chosen by.

    Raises:
        UserError: if ``best`` names no metric that weights can be chosen by.
    """

    def __init__(self, evaluator: Evaluator, loss: SegmentationLoss | ImageLabelLoss, best: str) -> None:
        condition, _, self.metric = best.partition("/")
        lookup(CHOOSABLE, self.metric, "val.best: metric")
        self.evaluator, self.loss, self.best, self.best_key = evaluator, loss, best, val_key(condition, self.metric)

    def check(self, model: WholeModel) -> None:
        """Read all photographs and run two of them, so that a broken validation shows before the training."""
        for index in range(len(self.evaluator.source)):
            self.evaluator.load(index)
        for prediction in self.evaluator.predict(model, limit=2):
            self.evaluator.score(prediction.prob, prediction.mask)
            if prediction.sr is not None and prediction.kernel is None and CHOOSABLE[self.metric].of == "kernel":
                raise UserError(f"val.best {self.best}: this SR network estimates no kernel; choose another metric")

    @property
    def of_restoration(self) -> bool:
        """Whether the best weights are those that restore best, not those that segment best."""
        return CHOOSABLE[self.metric].of in ("image", "kernel")

    def score(self, values: dict[str, float]) -> float:
        """What the best weights are chosen by, larger is better; -inf where it does not apply."""
        value = values.get(self.best_key)
        if value is None:
            return float("-inf")
        return -value if self.metric in names.LOWER_IS_BETTER else value

    def losses(self, prediction: EvaluatedImage, alpha: float) -> dict[str, float]:
        """The segmentation loss of a whole photograph; small regions are still in it, as in training.

        Args:
            prediction: of the photograph.
            alpha: share of the region terms.
        """
        assert prediction.logits is not None
        logits, mask = (torch.from_numpy(array.copy())[None, None] for array in (prediction.logits, prediction.mask))
        if isinstance(self.loss, ImageLabelLoss):
            value = self.loss(logits, mask.amax((1, 2, 3)).float())
        else:
            distance = None
            if self.loss.needs_distance:
                distance = torch.from_numpy(signed_distance_map(prediction.mask)[None, None])
            value = self.loss(logits, mask.float(), distance, alpha)
        return {names.LOSS: float(value[0])}

    def run(
        self, model: WholeModel, alpha: float, progress: Callable[[], None] | None = None
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Validate some weights.

        Args:
            model: with the weights, on the evaluator's device.
            alpha: share of the region terms in the validation loss, as in training at this step.
            progress: called after each photograph.

        Returns:
            The figures by tracking key, and the pictures, uint8 RGB [H,W,3], likewise.
        """
        result = self.evaluator.run(model, progress, lambda prediction: self.losses(prediction, alpha))
        values = {
            val_key(condition, name): value
            for condition, scores in result.scores.items()
            for name, value in scores.summary().items()
        }
        return values, drawn(panels("val", result.kept))
