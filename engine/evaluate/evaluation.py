"""What comes of an evaluation: predictions, and scores by condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metrics.accumulator import Accumulator


@dataclass(frozen=True)
class EvaluatedImage:
    """What the model made of one image under one condition; arrays on the CPU, float32, in [0, 1] but for the logits.

    prob: [H,W]; logits: those it was made of, [H,W]; sr, hr: [3,H,W]; lr: [3,h,w]; kernel, true_kernel: [k,k] or None.
    lr, sr and the kernels are None under the condition hr.
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


@dataclass
class Evaluation:
    """Scores by condition, those of baselines by name and condition, and the predictions kept for pictures."""

    scores: dict[str, Accumulator]
    baselines: dict[str, dict[str, Accumulator]]
    kept: list[EvaluatedImage] = field(default_factory=list)


def together(shares: Sequence[Evaluation]) -> Evaluation:
    """The evaluation of all images from those of the processes that shared them out, in the images' order."""
    first = shares[0]
    scores = {name: Accumulator.interleaved([one.scores[name] for one in shares]) for name in first.scores}
    baselines = {
        baseline: {name: Accumulator.interleaved([one.baselines[baseline][name] for one in shares]) for name in group}
        for baseline, group in first.baselines.items()
    }
    place = {name: position for position, name in enumerate(next(iter(scores.values())).names)}
    kept = sorted((one for share in shares for one in share.kept), key=lambda one: place[one.name])
    return Evaluation(scores, baselines, kept)
