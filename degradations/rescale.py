"""Resampling that leaves no trace in the size: reduced or enlarged on the way, as by apps that send photographs.

After Real-ESRGAN (Wang et al., ICCV workshops 2021) and BSRGAN (Zhang et al., ICCV 2021), which draw the factor and
the filter for each image. Theirs ends at another size; here the image is brought back to its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import ArgumentError, lookup
from degradations.ranges import read_range
from degradations.step import Drawn, State, Step

FILTERS: dict[str, Callable[..., Tensor]] = {
    "nearest": partial(F.interpolate, mode="nearest-exact"),
    "bilinear": partial(F.interpolate, mode="bilinear", antialias=True),
    "bicubic": partial(F.interpolate, mode="bicubic", antialias=True),
    "area": partial(F.interpolate, mode="area"),
}
WAYS_BACK = ("bilinear", "bicubic")
LEVELS = 5  # factors to draw from: samples that share one are resampled in one call


def rescale(image: Tensor, factor: float, filter: str, back: str) -> Tensor:  # noqa: A002 (the option's name)
    """Resample to another size and back; unclipped.

    Pixel centres stay in place; bilinear and bicubic (a = -0.5) are stretched where they downsample, nearest is not,
    and aliases.

    Args:
        image: [B,C,h,w].
        factor: of the sides in between, which are rounded and at least 1 pixel.
        filter: a key of FILTERS, for the way there.
        back: a key of FILTERS, for the way back.

    Returns:
        [B,C,h,w].
    """
    height, width = image.shape[-2:]
    size = max(round(height * factor), 1), max(round(width * factor), 1)
    resampled = FILTERS[filter](image, size=size)
    return FILTERS[back](resampled, size=(height, width))


class Rescale(Step):
    """Downsample or upsample with a random filter, then go back to the original size with bilinear or bicubic.

    The kernel handed on remains that of the blur alone.

    Args:
        factor: of the sides, number or [low, high] in 0.1 to 4; drawn from LEVELS values from low to high, in equal
            ratios.
        filters: keys of FILTERS, equally likely.
        probability: of being applied to a sample, in [0, 1].
    """

    type = "rescale"

    def __init__(
        self, factor: object = (0.5, 1.4), filters: Sequence[str] = tuple(FILTERS), probability: float = 1.0
    ) -> None:
        super().__init__(probability)
        self.factor = read_range(factor, "factor", 0.1, 4.0)
        if isinstance(filters, str) or not isinstance(filters, Sequence) or not filters:
            raise ArgumentError(f"filters: expected a list such as [nearest, area], received {filters!r}")
        for name in filters:
            lookup(FILTERS, str(name), "filter")
        self.filters = [str(name) for name in filters]

    def parameters(self) -> dict[str, object]:
        return {"factor": self.factor.plain(), "filters": list(self.filters)}

    def draw(self, rng: np.random.Generator) -> Drawn:
        low, high = self.factor.plain()
        return {
            "factor": low * (high / low) ** (int(rng.integers(LEVELS)) / (LEVELS - 1)),
            "filter": self.filters[int(rng.integers(len(self.filters)))],
            "back": WAYS_BACK[int(rng.integers(len(WAYS_BACK)))],
        }

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        groups: dict[tuple, list[int]] = {}
        for row, sample in enumerate(drawn):
            groups.setdefault((sample["factor"], sample["filter"], sample["back"]), []).append(row)
        order = torch.tensor([row for rows in groups.values() for row in rows], device=state.image.device)
        batches = state.image[order].split([len(rows) for rows in groups.values()])
        resampled = torch.cat([rescale(batch, *group) for batch, group in zip(batches, groups, strict=True)])
        return replace(state, image=resampled[order.argsort()])
