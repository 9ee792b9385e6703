"""What comes of an evaluation: predictions, and scores by condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metrics.accumulator import Accumulator


@dataclass(frozen=True)
class EvaluatedImage:
    """What the model made of one image under one condition; arrays on the CPU, float32, in [0, 1] but for the logits.

    prob: [H,W]; logits: those it was made of, [H,W]; sr, hr: [3,H,W]; lr: [3,h,w]; kernel, true_kernel: [k,k] or None.
    lr, sr and the kernels are None under the condition hr. draw: number of the degradation, from 0; drawn: its
    parameters by step.
    """

    name: str
    condition: str
    hr: np.ndarray
    mask: np.ndarray
    prob: np.ndarray
    lr: np.ndarray | None = None
    sr: np.ndarray | None = None
    kernel: np.ndarray | None = None
    true_kernel: np.ndarray | None = None
    bicubic: np.ndarray | None = None
    logits: np.ndarray | None = None
    draw: int = 0
    drawn: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Evaluation:
    """Scores by condition, those of baselines by name and condition, and the predictions kept for pictures."""

    scores: dict[str, Accumulator]
    baselines: dict[str, dict[str, Accumulator]]
    kept: list[EvaluatedImage] = field(default_factory=list)


def together(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The evaluation of all images from those of the processes that shared them out, in the images' order."""
    first = evaluations[0]
    scores = {
        condition: Accumulator.interleaved([evaluation.scores[condition] for evaluation in evaluations])
        for condition in first.scores
    }
    baselines = {
        name: {
            condition: Accumulator.interleaved([evaluation.baselines[name][condition] for evaluation in evaluations])
            for condition in conditions
        }
        for name, conditions in first.baselines.items()
    }
    position = {name: index for index, name in enumerate(next(iter(scores.values())).names)}
    kept = [image for evaluation in evaluations for image in evaluation.kept]
    return Evaluation(scores, baselines, sorted(kept, key=lambda image: position[image.name]))


def pixels(image: np.ndarray) -> np.ndarray:
    """[3,H,W] float in [0,1] -> [H,W,3] uint8."""
    return np.round(image.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)
