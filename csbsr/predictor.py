"""Trained weights as an object that is called with photographs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from contracts.errors import ArgumentError, UserError
from data.images import photograph_of, read_photograph
from engine.predict.photo import Prediction, examine
from engine.predict.plan import Settings
from engine.predict.restore_rule import restores
from engine.predict.source import Source, find_source
from engine.predict.tiled_model import TiledModel
from engine.runtime.shipped import DEFAULT

AS_ARRAY = "the image"  # in errors, where there is no file to name
FLAGS = {
    "--threshold": "threshold",
    "--min-area": "minimum_area",
    "--min-length": "minimum_length",
    "--tile": "tile",
    "--overlap": "overlap",
}


def load(
    path: str | PathLike[str] | None = None,
    device: str | torch.device | None = None,
    precision: str = "auto",
    tile: int = 256,
    overlap: int = 32,
    runtime: str = "auto",
) -> Predictor:
    """Load weights, ready to look for cracks; read from this machine alone.

    Unlike the scripts, this never prefers an experiment in the working directory.

    Args:
        path: a checkpoint (.pth), a folder of weights, the name of shipped ones, or an exported model (.onnx); None:
            the shipped weights.
        device: None: the GPU where there is one, else the CPU.
        precision: "auto" (as the weights' options say), "float32" or "bfloat16".
        tile: side of tiles in pixels of a photograph before restoring; smaller tiles need less memory.
        overlap: of neighbouring tiles, in the same pixels.
        runtime: "torch", "onnxruntime" or "openvino" (the quickest on CPUs; optional packages); "auto": torch, and
            onnxruntime for an exported model.

    Raises:
        UserError: for weights that are missing, damaged or of another kind.
        ArgumentError: (a UserError and a ValueError) for another argument.
    """
    with _by_argument():
        source = find_source(None, DEFAULT if path is None else str(path), precision, _usable(device), runtime)
        return Predictor(source, tile, overlap)


def _usable(device: str | torch.device | None) -> torch.device | None:
    if device is None:
        return None
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError):  # no such name; no such GPU, or a torch without GPUs
        raise ArgumentError(f"device '{device}' is not usable here; give another, or None for what there is") from None


@contextmanager
def _by_argument() -> Iterator[None]:
    """Errors name the arguments of Python where those below name predict.py's."""
    try:
        yield
    except UserError as error:
        message = str(error)
        for flag, name in FLAGS.items():
            message = message.replace(flag, name)
        if message == str(error):
            raise
        raise ArgumentError(message) from None


class Predictor:
    """Finds cracks in photographs, as ``predict.py`` does. Made by ``load``.

    Args:
        source: the weights.
        tile: side of tiles in pixels of a photograph before restoring.
        overlap: of neighbouring tiles, in the same pixels.
    """

    def __init__(self, source: Source, tile: int = 256, overlap: int = 32) -> None:
        self.source = source
        self.model = TiledModel(source.load(), source.device, tile, overlap, source.precision, quiet=True)

    def __call__(
        self,
        image: np.ndarray | Image.Image | str | PathLike[str],
        *,
        threshold: float = 0.5,
        restore: str = "auto",
        minimum_area: int | None = None,
        minimum_length: float = 0.0,
    ) -> Prediction:
        """Look for cracks in a photograph of any size.

        Args:
            image: RGB [H,W,3], uint8 or float in [0,1]; a PIL image; or a file, turned upright as it looks.
            threshold: crack from this probability on, in (0,1).
            restore: "auto", "always" or "never" before segmenting.
            minimum_area: regions of fewer segmented pixels are no cracks; None: as the weights' options say.
            minimum_length: shorter cracks are left out, pixels of the photograph; above 0 it needs skan.

        Raises:
            UserError: for an image that cannot be read, has another shape, or fewer than 8 pixels a side; without skan.
        """
        area = self.source.minimum_area if minimum_area is None else minimum_area
        settings = Settings(restore=restore, threshold=threshold, minimum_area=area, minimum_length=minimum_length)
        with _by_argument():
            settings.check()
        if isinstance(image, (str, PathLike)):
            name, photo = str(image), read_photograph(Path(image))
        else:
            name, photo = AS_ARRAY, photograph_of(image, AS_ARRAY)
        height, width = photo.pixels.shape[:2]
        return examine(self.model, photo, restores(restore, height, width, name), settings, name)

    def __repr__(self) -> str:
        return f"Predictor({self.source.description})"
