"""Turns predictions into pictures that people look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np

from engine.evaluate.evaluation import EvaluatedImage, pixels
from tracking.keys import panel_key
from visualization.panels import panel


def prediction_panel(prediction: EvaluatedImage) -> np.ndarray:
    """LR, SR, HR, probability and error side by side, uint8 RGB [H,W,3]."""
    return panel(
        None if prediction.lr is None else pixels(prediction.lr),
        None if prediction.sr is None else pixels(prediction.sr),
        pixels(prediction.hr),
        prediction.prob,
        prediction.mask,
        caption=f"{prediction.name} ({prediction.condition})",
        kernels=(prediction.true_kernel, prediction.kernel),
    )


def panels(part: str, predictions: Iterable[EvaluatedImage]) -> dict[str, Callable[[], np.ndarray]]:
    """How to draw the panels of some predictions.

    Args:
        part: "val" or "test".
        predictions: numbered within each condition.

    Returns:
        What draws each, uint8 RGB [H,W,3], by tracking key.
    """
    by_condition = defaultdict(list)
    for prediction in predictions:
        by_condition[prediction.condition].append(prediction)
    return {
        panel_key(part, condition, index): partial(prediction_panel, prediction)
        for condition, group in by_condition.items()
        for index, prediction in enumerate(group)
    }


def drawn(pictures: Mapping[str, Callable[[], np.ndarray]]) -> dict[str, np.ndarray]:
    """Draw pictures, uint8 RGB [H,W,3] by key. One that fails is told in a line and left out: no result hangs on it."""
    made = {}
    for key, draw in pictures.items():
        try:
            made[key] = draw()
        except Exception as error:  # whatever it is, hours of work are worth more than a picture of them
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"picture {key} left out, as it cannot be drawn ({reason})", flush=True)
    return made
