"""A model without weights, which answers by how dark a pixel is: what remains are times and memory of all else."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.records import Segmented
from engine.predict.source import Source
from engine.runtime.precision import FLOAT32
from models.base import Maps, Statistics, WholeModel

BRIGHT, DARK = 200, 40  # of surfaces and cracks


class Darkness(WholeModel):
    """Crack where it is dark, in proportion to how much of a pixel is; looks at one pixel, and enlarges by bilinear.

    Args:
        relative: look at brightness relative to the mean and deviation of the whole image.
    """

    scale, stride = 4, 8

    def __init__(self, relative: bool = False) -> None:
        super().__init__()
        self.relative = relative

    def restore_maps(self, lr: Tensor) -> tuple[Maps, Tensor | None]:
        return Maps(F.interpolate(lr, scale_factor=4, mode="bilinear")), None

    def statistics(self, image: Tensor) -> Statistics | None:
        if not self.relative:
            return None
        variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
        return mean, (variance + 1e-5).rsqrt()

    def segment_maps(self, maps: Maps, kernel: Tensor | None = None, statistics: Statistics | None = None) -> Segmented:
        if self.relative:
            mean, factor = statistics if statistics is not None else self.statistics(maps.image)  # type: ignore[misc]
            return Segmented(-1.5 - ((maps.image - mean) * factor).mean(1, keepdim=True))
        cover = (BRIGHT / 255 - maps.image.mean(1, keepdim=True)) * 255 / (BRIGHT - DARK)
        return Segmented((cover.clamp(0.001, 0.999)).logit())


def source_of(model: WholeModel, minimum_area: int = 0) -> Source:
    """A model as where it comes from."""
    cpu = torch.device("cpu")
    return Source(model.scale, minimum_area, cpu, FLOAT32, type(model).__name__, lambda: model, type(model).__name__)
