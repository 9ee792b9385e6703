"""Turns predictions into pictures that people look at."""

from __future__ import annotations

import numpy as np

from engine.evaluator import Prediction
from tracking.panels import panel


def pixels(image: np.ndarray) -> np.ndarray:
    """[3,H,W] float in [0,1] -> [H,W,3] uint8."""
    return np.round(image.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)


def prediction_panel(prediction: Prediction) -> np.ndarray:
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
