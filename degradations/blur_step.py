"""The blur step: a kernel of one kind, or of a mixture of kinds, drawn for each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from contracts.errors import ArgumentError, lookup
from degradations.blur import BORDERS, blur
from degradations.kernel_kinds import KernelSource, build_kernels
from degradations.kernels import check_side
from degradations.ranges import read_number
from degradations.step import Drawn, State, Step


class Blur(Step):
    """Blur with a kernel of one kind, or of a mixture of kinds.

    Args:
        kernel: a key of KERNELS, with its ranges as further keyword arguments.
        mixture: instead of a kernel, descriptions ``{"kernel": name, "weight": number (default 1), ranges...}``,
            drawn with chances proportional to the weights.
        probability: of being applied to a sample, in [0, 1].
        kernel_side: odd, pixels.
        border: "reflect" or "zero".
        ranges: of the parameters of ``kernel``, number or [low, high].

    Raises:
        ArgumentError: for anything else.
    """

    type = "blur"

    def __init__(
        self,
        kernel: str | None = None,
        mixture: Sequence[Mapping[str, object]] | None = None,
        probability: float = 1.0,
        kernel_side: int = 21,
        border: str = "reflect",
        **ranges: object,
    ) -> None:
        super().__init__(probability)
        if (kernel is None) == (mixture is None) or (mixture is not None and (ranges or not mixture)):
            raise ArgumentError("give either 'kernel' with its ranges, or 'mixture', a list of such descriptions")
        lookup(BORDERS, border, "border")
        self.kernel_side, self.border = check_side(kernel_side), border
        if isinstance(mixture, str | Mapping) or not all(isinstance(entry, Mapping) for entry in mixture or ()):
            raise ArgumentError(f"mixture: expected a list of {{kernel: name, ...}}, received {mixture!r}")
        entries = [dict(entry) for entry in mixture] if mixture else [{"kernel": kernel, **ranges}]
        weights = [read_number(entry.pop("weight", 1.0), "weight", 0.0) for entry in entries]
        self.sources = [_kernel_source(entry, kernel_side) for entry in entries]
        if sum(weights) <= 0:
            raise ArgumentError("mixture: at least one 'weight' must be above 0")
        self.chances = [weight / sum(weights) for weight in weights]

    def parameters(self) -> dict[str, object]:
        pairs = zip(self.sources, self.chances, strict=True)
        return {"mixture": [{**source.describe(), "weight": chance} for source, chance in pairs]}

    def draw(self, rng: np.random.Generator) -> Drawn:
        return self.sources[int(rng.choice(len(self.sources), p=self.chances))].draw(rng)

    def apply(self, state: State, drawn: Sequence[Drawn]) -> State:
        kernel = build_kernels(drawn, self.kernel_side).to(state.image)
        return State(blur(state.image, kernel, self.border), kernel)


def _kernel_source(entry: dict, side: int) -> KernelSource:
    """Build one entry of a blur from its description."""
    name = entry.pop("kernel", None)
    if name is None:
        raise ArgumentError("mixture: every entry needs 'kernel', the kind of its kernel")
    return KernelSource(str(name), side, entry)
