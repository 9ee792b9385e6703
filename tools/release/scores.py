"""Scores of one system on one set under every condition, by predict.py's own way from pixels to cracks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contracts.errors import UserError
from data.sources import Source, fingerprint
from degradations.frozen import to_uint8
from degradations.pipeline import Pipeline
from degradations.resize import bicubic_upsample
from engine.build.seen import count_trained_on
from engine.evaluate.build import scoring_rules
from engine.evaluate.evaluation import EvaluatedImage, Evaluation
from engine.evaluate.evaluator import Evaluator
from engine.evaluate.settings import EvaluationSettings
from engine.predict.photo import search
from metrics import names
from metrics.accumulator import Accumulator
from metrics.small_regions import area_open
from models.base import WholeModel
from tools.release.intervals import Estimate, best_and_mean_of, mean_of, ratio_of_sums
from tools.release.sets import HR, SEED
from tools.release.systems import System

AT_HALF = (names.DICE, names.IOU, names.PRECISION, names.RECALL, names.CLIOU_PREDICTED)
Figures = dict[str, dict[str, Estimate]]  # of a set: by condition and metric


class StrangerEvaluator(Evaluator):
    """An evaluator whose predictions are those of predict.py: of whole photographs, in tiles where they are large.

    ``digests`` has the sha256 of all inputs of a condition when the photographs are done.

    Args:
        system: weights to evaluate.
        source: photographs with masks.
        inputs: the conditions, each with how its input is made, as ``tools.release.sets.inputs_of`` returns it.
        baselines: names of methods without learning, scored beside the system.
    """

    def __init__(
        self, system: System, source: Source, inputs: Mapping[str, Pipeline | None], baselines: tuple[str, ...] = ()
    ) -> None:
        rules, settings = scoring_rules(system.options), EvaluationSettings(SEED, surface=0, baselines=baselines)
        super().__init__(source, system.device, inputs, system.options.scale, rules, minimum_area=0, settings=settings)
        self.tiled = system.model
        self.clean = partial(area_open, minimum_area=system.minimum_area)
        self._hashes = {condition: hashlib.sha256() for condition in inputs}

    @property
    def digests(self) -> dict[str, str]:
        """Of all inputs so far, by condition."""
        return {condition: sha256.hexdigest() for condition, sha256 in self._hashes.items()}

    @torch.inference_mode()
    def images(self, model: WholeModel, limit: int | None = None) -> Iterator[list[EvaluatedImage]]:
        """The system's predictions of one photograph after the other; ``model`` is the system's own."""
        for index in range(min(len(self.source), limit or len(self.source))):
            batch = self.load(index)
            name, hr, mask = batch.name[0], batch.hr[0].numpy(), batch.mask[0, 0].numpy()
            predictions = []
            for condition, pipeline in self.conditions.items():
                lr = None if pipeline is None else pipeline(batch.hr, (name,), SEED, (0,)).lr
                pixels = to_uint8(batch.hr if lr is None else lr)[0]
                self._hashes[condition].update(np.ascontiguousarray(pixels).data)
                prediction = search(self.tiled, pixels, restore=lr is not None, name=name, clean=self.clean)
                sr = None if prediction.restored is None else _as_image(prediction.restored)
                bicubic = self._upsampled(lr)
                predictions.append(EvaluatedImage(name, condition, hr, mask, prediction.fine, sr=sr, bicubic=bicubic))
            yield predictions

    def _upsampled(self, lr: Tensor | None) -> NDArray[np.float32] | None:
        """What baselines look at: the enlarged LR image; None where they look at the photograph, or are not asked."""
        if lr is None or not self.settings.baselines:
            return None
        return bicubic_upsample(lr, self.scale).clamp(0, 1)[0].numpy()


def _as_image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [H,W,3] -> float32 [3,H,W] in [0,1]."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def trained_on(system: System, name: str, source: Source, allowed: bool) -> int:
    """How many photographs of a set the weights were trained on.

    Args:
        system: the weights.
        name: of the set.
        source: its photographs.
        allowed: whether there may be any.

    Raises:
        UserError: for any, unless ``allowed``.
    """
    try:
        return count_trained_on(source, system.checkpoint.meta, allowed)
    except UserError as error:
        reason = str(error).removeprefix("datasets.test: ")
        raise UserError(f"{system.name}, {name}: {reason}") from None


def measure(
    system: System,
    source: Source,
    inputs: Mapping[str, Pipeline | None],
    baselines: tuple[str, ...] = (),
    progress: Callable[[], None] | None = None,
) -> tuple[Evaluation, dict[str, Any]]:
    """Scores of all photographs of a set.

    Args:
        system: weights to evaluate.
        source: photographs with masks.
        inputs: see ``StrangerEvaluator``.
        baselines: see there.
        progress: called after each photograph.

    Returns:
        The scores, and facts of the set: its size and fingerprint, and the digest of each condition's inputs.
    """
    evaluator = StrangerEvaluator(system, source, inputs, baselines)
    evaluation = evaluator.run(system.model.model, progress)
    facts = {"images": len(source), "data": fingerprint(source), "inputs": evaluator.digests}
    return evaluation, facts


def estimates(scores: Mapping[str, Accumulator]) -> Figures:
    """The figures of every condition, with their resamples; clIoU is of the pixels of all photographs."""
    figures: Figures = {}
    for condition, accumulator in scores.items():
        rows = accumulator.rows()
        keys = [*AT_HALF, *(key for key in (names.PSNR,) if any(key in row for row in rows))]
        by_metric = {key: mean_of(np.array([row.get(key, np.nan) for row in rows])) for key in keys}
        by_metric[names.IOU_MAX], by_metric[names.AIU] = best_and_mean_of(accumulator.iou_curves())
        by_metric[names.CLIOU] = ratio_of_sums(*accumulator.centreline_parts())
        figures[condition] = by_metric
    return figures


def ratios(figures: Figures) -> Figures:
    """Of every degraded condition the share of the figure on sharp photographs that is left; empty without these."""
    if HR not in figures:
        return {}
    return {
        condition: {key: estimate.over(figures[HR][key]) for key, estimate in by_metric.items() if key in figures[HR]}
        for condition, by_metric in figures.items()
        if condition != HR
    }


def differences(figures: Figures, others: Figures) -> Figures:
    """How far the figures of the same photographs are above those of another system.

    Args:
        figures: by condition and metric.
        others: likewise, of the other system.
    """
    return {
        condition: {
            key: estimate.minus(others[condition][key])
            for key, estimate in by_metric.items()
            if key in others[condition]
        }
        for condition, by_metric in figures.items()
        if condition in others
    }
