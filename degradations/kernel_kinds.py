"""The kinds of blur kernel by name: which parameters each draws, from which ranges, and who builds it.

To add one: a function in kernels.py from parameters [B] to kernels [B,1,k,k], and an entry in KERNELS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contracts.errors import lookup
from degradations import kernels
from degradations.ranges import Range, check_names, read_range

SMALLEST_SIGMA = 0.05  # pixels; already a delta to the last bit
WIDEST_SIGMA = 100.0


@dataclass(frozen=True)
class Parameter:
    """A range in the options.

    Attributes:
        default: (low, high).
        least: its lower limit.
        most: its upper limit, given the kernel's side.
        drawn: the names of what is drawn from it.
    """

    default: tuple[float, float]
    least: float
    most: Callable[[int], float]
    drawn: tuple[str, ...]


@dataclass(frozen=True)
class KernelKind:
    """A kind of blur kernel.

    Attributes:
        build: keyword tensors [B] named as in ``Parameter.drawn``, and side -> [B,1,k,k].
        parameters: the ranges by the name that options use.
    """

    build: Callable[..., Tensor]
    parameters: Mapping[str, Parameter]


def _sigma(*drawn: str) -> Parameter:
    return Parameter((0.2, 4.0), SMALLEST_SIGMA, lambda side: WIDEST_SIGMA, drawn)


def _angle(drawn: str) -> Parameter:
    return Parameter((0.0, 180.0), -360.0, lambda side: 360.0, (drawn,))


KERNELS: dict[str, KernelKind] = {
    "anisotropic_gaussian": KernelKind(
        kernels.anisotropic_gaussian, {"sigma": _sigma("sigma_x", "sigma_y"), "theta": _angle("theta")}
    ),
    "isotropic_gaussian": KernelKind(kernels.isotropic_gaussian, {"sigma": _sigma("sigma")}),
    "motion": KernelKind(
        kernels.motion,
        {"length": Parameter((2.0, 15.0), 0.0, kernels.longest_motion, ("length",)), "angle": _angle("angle")},
    ),
    "disk": KernelKind(kernels.disk, {"radius": Parameter((0.5, 5.0), 0.0, kernels.largest_disk, ("radius",))}),
}


class KernelSource:
    """One kind of kernel with its ranges.

    Args:
        name: a key of KERNELS.
        side: odd, pixels.
        ranges: number or [low, high] by parameter name, defaults for the rest.

    Raises:
        UserError: naming the parameter, for an unknown name or a range outside its limits.
    """

    def __init__(self, name: str, side: int, ranges: Mapping[str, object]) -> None:
        self.name = name
        self.kind = lookup(KERNELS, name, "blur kernel")
        check_names(ranges, self.kind.parameters, f"kernel '{name}'")
        self.ranges: dict[str, Range] = {
            key: read_range(ranges.get(key, parameter.default), key, parameter.least, parameter.most(side))
            for key, parameter in self.kind.parameters.items()
        }

    def describe(self) -> dict[str, object]:
        """Return this source as options would give it, defaults filled in."""
        return {"kernel": self.name, **{key: value.plain() for key, value in self.ranges.items()}}

    def draw(self, rng: np.random.Generator) -> dict[str, object]:
        """Return the kernel's name and its drawn parameters, plain numbers."""
        values = {
            name: self.ranges[key].draw(rng)
            for key, parameter in self.kind.parameters.items()
            for name in parameter.drawn
        }
        return {"kernel": self.name, **values}


def build_kernels(drawn: Sequence[Mapping[str, object]], side: int) -> Tensor:
    """Build kernels, on the CPU (441 numbers each) so that they are the same bits on every device.

    Args:
        drawn: B draws of ``KernelSource``, of any mixture of kinds.
        side: odd, pixels.

    Returns:
        float64 [B,1,k,k].
    """
    result = torch.empty(len(drawn), 1, side, side, dtype=torch.float64)
    for name in sorted({str(sample["kernel"]) for sample in drawn}):
        rows = [row for row, sample in enumerate(drawn) if sample["kernel"] == name]
        keys = [key for key in drawn[rows[0]] if key != "kernel"]
        columns = {key: torch.tensor([drawn[row][key] for row in rows], dtype=torch.float64) for key in keys}
        result[rows] = KERNELS[name].build(**columns, side=side)
    return result
