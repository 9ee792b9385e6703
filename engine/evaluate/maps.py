"""Probability maps kept beside results, 8 bit, for pictures and further scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from contracts.errors import UserError
from engine.evaluate.evaluation import EvaluatedImage
from visualization.drawing import save_png

FOLDER = "maps"  # in a folder of results


def map_path(results: Path, condition: str, name: str) -> Path:
    """Where the map of a photograph under a condition lies."""
    return results / FOLDER / condition / f"{name}.png"


def save_map(results: Path, image: EvaluatedImage) -> None:
    """Write a prediction's probabilities as 8-bit grey, 255 for 1. Raises contracts.files.Unwritable."""
    save_png(map_path(results, image.condition, image.name), np.round(image.prob * 255).astype(np.uint8))


def read_map(results: Path, condition: str, name: str) -> np.ndarray:
    """The probabilities [H,W] in [0, 1], in steps of 1/255. Raises UserError where there is no such map."""
    path = map_path(results, condition, name)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"), np.float32) / 255
    except OSError:
        raise UserError(f"{path}: no readable map; evaluate with --maps to keep them") from None
