"""Measures a model on a set of photographs under the three input conditions.

hr: the segmentation network on the original image (the upper bound); clean: LR made by bicubic
reduction alone; degraded: LR made by the experiment's degradation, fixed for each image. LR images
are 8-bit, as photographs are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from contracts.errors import UserError
from contracts.records import HRBatch
from data.dataset import whole_image
from data.sources import Source
from degradations.pipeline import Pipeline
from degradations.resize import bicubic_upsample
from engine.evaluate.evaluation import EvaluatedImage, Evaluation, pixels
from engine.evaluate.image_figures import facts_of, quality_of
from engine.evaluate.settings import EvaluationSettings
from metrics.accumulator import Accumulator
from metrics.baselines import BASELINES
from metrics.centreline import mean_width
from metrics.scores import ImageScores, ScoringRules, evaluate_image
from metrics.small_regions import area_open
from models.base import WholeModel

DEGRADED = "degraded"  # the condition whose LR images differ from draw to draw
SMALLEST_LR = 8  # px
SCORERS = min(16, max(2, os.cpu_count() or 1))  # threads that measure predictions


Extra = Callable[[EvaluatedImage], dict[str, float]]


@dataclass
class _Waiting:
    """An image that is being scored: where its scores go, and those that other threads still compute."""

    accumulator: Accumulator
    name: str
    scores: Future[ImageScores]
    facts: Future[dict[str, float]]
    quality: Future[dict[str, float]] | None = None
    extra: dict[str, float] = field(default_factory=dict)

    def collect(self) -> None:
        """Wait for the scores and add them."""
        quality = {} if self.quality is None else self.quality.result()
        self.accumulator.add(self.name, self.scores.result(), quality | self.extra, self.facts.result())


@dataclass
class Evaluator:
    """Runs a model over a source. Reusable: training validates with it, evaluate.py reports with it.

    Args:
        source: the photographs.
        device: of the model.
        conditions: the inputs to score by name, each with what makes the LR images of it; None: the photographs
            themselves are segmented (hr).
        scale: how many times smaller LR images are, by side.
        rules: of distances.
        minimum_area: regions of fewer pixels are no cracks, at any threshold.
        settings: how it runs.
    """

    source: Source
    device: torch.device
    conditions: Mapping[str, Pipeline | None]
    scale: int
    rules: ScoringRules
    minimum_area: int
    settings: EvaluationSettings

    @property
    def draws(self) -> int:
        """Of each photograph: as asked for where one of the conditions is drawn anew, else one."""
        return self.settings.draws if DEGRADED in self.conditions else 1

    @cached_property
    def _kept_indices(self) -> set[int]:
        count = len(self.source)
        return set(np.linspace(0, count - 1, min(self.settings.keep, count)).astype(int).tolist())

    def run(
        self, model: WholeModel, progress: Callable[[], None] | None = None, extra: Extra | None = None
    ) -> Evaluation:
        """Score this process's images on threads: while the network runs, or on a CPU, where both would be in each
        other's way, between two images.

        Args:
            model: on the evaluator's device.
            progress: called after each image.
            extra: further figures of a prediction, by name.
        """
        names = list(self.conditions)
        baselines = self.settings.baselines
        scores, *others = ({name: Accumulator() for name in names} for _ in ("model", *baselines))
        result = Evaluation(scores, dict(zip(baselines, others, strict=True)))
        pool = ThreadPoolExecutor(SCORERS)
        try:
            waiting: list[_Waiting] = []
            spare = 0 if self.device.type == "cpu" else 8
            for image in self.images(model):
                width = pool.submit(mean_width, image[0].mask)
                for prediction in image:
                    facts = pool.submit(facts_of, prediction, width)
                    self._submit(pool, prediction, result, waiting, {} if extra is None else extra(prediction), facts)
                while len(waiting) > spare:
                    waiting.pop(0).collect()
                if progress is not None:
                    progress()
            for entry in waiting:
                entry.collect()
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C or an error, what waits need not be scored
        return result

    def predict(self, model: WholeModel, limit: int | None = None) -> Iterator[EvaluatedImage]:
        """Yield the prediction of each of this process's images under every condition, image by image.

        Args:
            model: on the evaluator's device.
            limit: number of photographs to take at most, the first; None: all.
        """
        for image in self.images(model, limit):
            yield from image

    def images(self, model: WholeModel, limit: int | None = None) -> Iterator[list[EvaluatedImage]]:
        """The predictions of one photograph after the other, of all in their first draw, then in the next.

        Args:
            model: on the evaluator's device.
            limit: number of photographs to take at most, the first; None: all.
        """
        model.eval()
        number = min(len(self.source), limit or len(self.source))
        for position in self.settings.group.of(range(number * self.draws)):
            draw, index = divmod(position, number)
            batch = self.load(index)
            image, mask = batch.hr.to(self.device), batch.mask[0, 0].numpy()
            conditions = self.conditions if draw == 0 else [DEGRADED]
            yield [self._predict(model, batch.name[0], image, mask, condition, draw) for condition in conditions]

    def load(self, index: int) -> HRBatch:
        """One photograph of the source, as ``evaluation_image`` cuts it."""
        return evaluation_image(self.source, index, self.scale)

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        prediction: EvaluatedImage,
        result: Evaluation,
        waiting: list[_Waiting],
        extra: dict[str, float],
        facts: Future[dict[str, float]],
    ) -> None:
        condition, own = prediction.condition, result.scores[prediction.condition]
        if len(result.kept) < len(self._kept_indices) * len(self.conditions):
            position = len(own) + sum(entry.accumulator is own for entry in waiting)
            if self.settings.group.position(position) in self._kept_indices:
                result.kept.append(prediction)
        quality = pool.submit(quality_of, prediction, self.scale)
        threshold = self.settings.thresholds.get(condition)
        future = pool.submit(self.score, prediction.prob, prediction.mask, threshold)
        waiting.append(_Waiting(own, prediction.name, future, facts, quality, extra))
        plain = prediction.hr if prediction.bicubic is None else prediction.bicubic
        for name, scores in result.baselines.items():
            future = pool.submit(
                lambda method: self.score(method(pixels(plain)), prediction.mask, threshold), BASELINES[name]
            )
            waiting.append(_Waiting(scores[condition], prediction.name, future, facts))

    def score(self, prob: np.ndarray, mask: np.ndarray, threshold: float | None = None) -> ImageScores:
        """Score a probability map by the evaluator's rules.

        Args:
            prob: [H,W] in [0, 1].
            mask: [H,W] in {0, 1}.
            threshold: one of the 99, to score the mask at it besides 0.5.
        """
        return evaluate_image(
            prob,
            mask,
            percentile=self.rules.percentile,
            empty=self.rules.empty,
            surface_thresholds=self.settings.surface or None,
            threshold=threshold,
        )

    def _degrade(self, hr: Tensor, name: str, condition: str, draw: int) -> tuple[Tensor, Tensor, dict]:
        if condition == DEGRADED and self.settings.frozen is not None:
            levels, taps = self.settings.frozen.load(name)
            lr = torch.from_numpy(levels).permute(2, 0, 1)[None].float().div_(255)
            _check_size(lr, hr, name, self.scale)
            kernel, drawn = torch.from_numpy(taps)[None, None], self.settings.frozen.drawn(name)
        else:
            pipeline = self.conditions[condition]
            assert pipeline is not None
            degraded = pipeline(hr, (name,), self.settings.seed, (draw,))
            lr, kernel, (drawn,) = degraded.lr, degraded.kernel, degraded.drawn
        # One layout, wherever it comes from: networks round the same values otherwise in another order in memory.
        return lr.to(self.device).contiguous(), kernel.to(self.device), drawn

    @torch.inference_mode()
    def _predict(
        self, model: WholeModel, name: str, hr: Tensor, mask: np.ndarray, condition: str, draw: int
    ) -> EvaluatedImage:
        if self.conditions[condition] is None:
            with self.settings.precision.autocast(self.device.type):
                logits = model.segment(hr).logits
            prob = self._probability(logits)
            return EvaluatedImage(name, condition, _array(hr), mask, prob, logits=_array(logits)[0])
        lr, kernel, drawn = self._degrade(hr, name, condition, draw)
        with self.settings.precision.autocast(self.device.type):
            output = model(lr)
        return EvaluatedImage(
            name,
            condition,
            _array(hr),
            mask,
            prob=self._probability(output.logits),
            lr=_array(lr),
            sr=_array(output.sr.clamp(0, 1)),
            kernel=None if output.kernel is None else _array(output.kernel)[0],
            true_kernel=_array(kernel)[0],
            bicubic=_array(bicubic_upsample(lr, self.scale).clamp(0, 1)) if self.settings.baselines else None,
            logits=_array(output.logits)[0],
            draw=draw,
            drawn=drawn,
        )

    def _probability(self, logits: Tensor) -> np.ndarray:
        """Logits [1,1,H,W] -> probability [H,W], without regions below minimum_area at any threshold."""
        return area_open(_array(logits.float().sigmoid())[0], self.minimum_area)


def evaluation_image(source: Source, index: int, scale: int) -> HRBatch:
    """A photograph as a batch of one, cut to a multiple of the scale (right and bottom).

    Args:
        source: the photographs.
        index: of one of them.
        scale: how many times smaller its LR image is, by side.

    Raises:
        UserError: for one so small that fewer than 8 pixels a side would be left of it at low resolution.
    """
    batch = whole_image(source, index, scale)
    height, width = batch.hr.shape[2:]
    if min(height, width) < SMALLEST_LR * scale:
        raise UserError(
            f"photograph '{batch.name[0]}' is too small to evaluate at scale {scale}; "
            f"remove it, or give at least {SMALLEST_LR * scale} pixels a side"
        )
    return batch


def _check_size(lr: Tensor, hr: Tensor, name: str, scale: int) -> None:
    if tuple(side * scale for side in lr.shape[2:]) != tuple(hr.shape[2:]):
        sizes = f"{lr.shape[3]}x{lr.shape[2]}, the photograph {hr.shape[3]}x{hr.shape[2]}"
        message = f"'{name}' is {sizes}, not {scale} times that"
        raise UserError(f"datasets.test.frozen: {message}; give the set made of this data")


def _array(tensor: Tensor) -> np.ndarray:
    return tensor[0].float().cpu().numpy()
