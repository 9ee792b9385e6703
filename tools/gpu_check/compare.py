"""One computation in float32 on two devices, judged by how far each of them is from float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.layout import channels_last
from tools.gpu_check.findings import Failed, Figure

# In float32 a sum of n products is off by about sqrt(n) * 6e-8: 2e-6 for the thousand that a convolution here adds,
# more behind many layers and with fast algorithms (Winograd, FFT). TF32 would be off by 5e-4 in each product.
FLOOR = 1e-4
# Networks that amplify rounding (a PReLU's slope, a maximum's place, batch norm over few pixels) do so on the CPU too.
FACTOR = 10.0
EXACT = 1e-8  # in float64, where rounding is 1e-16, there is little left to amplify: another result is another function
Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Subject:
    """What is computed: ``forward(module, inputs)`` gives outputs by name, and a scalar to differentiate or None.

    inputs: a tensor, which is differentiated by too, or a record. halves: also try it in bfloat16. floor: of limits.
    """

    module: nn.Module
    inputs: Any
    forward: Callable[[nn.Module, Any], tuple[Outputs, Tensor | None]]
    halves: bool = True
    floor: float = FLOOR


def cast(value: Any, dtype: torch.dtype, device: torch.device) -> Any:
    """Tensors of floating point, alone or in a record, in another type and place."""
    if isinstance(value, Tensor):
        return value.detach().to(device, dtype if value.is_floating_point() else value.dtype)
    if is_dataclass(value):
        return replace(value, **{one.name: cast(getattr(value, one.name), dtype, device) for one in fields(value)})
    return value


def calm(module: nn.Module) -> None:
    """Switch off what is random in training."""
    for part in module.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd) or type(part).__name__ == "DropPath":
            part.eval()


def outputs_of(subject: Subject, dtype: torch.dtype, device: torch.device, trained: bool = True) -> Outputs:
    """The outputs, and as "gradient" all derivatives in one vector, on the CPU in float64.

    trained: with weights channels last, as in training and evaluation.
    """
    module, inputs = copy.deepcopy(subject.module).to(device, dtype), cast(subject.inputs, dtype, device)
    calm(channels_last(module) if trained else module)
    sources = [one for one in module.parameters() if one.requires_grad]
    if isinstance(inputs, Tensor):
        sources.append(inputs.requires_grad_())
    found, loss = subject.forward(module, inputs)
    if loss is not None:
        gradients = torch.autograd.grad(loss, sources, allow_unused=True)
        found["gradient"] = torch.cat([one.flatten() for one in gradients if one is not None])
    return {name: one.detach().to("cpu", torch.float64) for name, one in found.items()}


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Euclidean norm of the error relative to that of ``exact``; infinite where shapes differ."""
    if found.shape != exact.shape:
        return math.inf
    return ((found - exact).norm() / exact.norm().clamp(min=1e-30)).item()


def differences(subject: Subject, device: torch.device, factor: float = FACTOR) -> list[Figure]:
    """Errors on ``device`` against float64 on the CPU: of the output that is worst against its limit, of the gradient, and
    of the worst of both if the device computes in float64 too.

    Limits of the former: the subject's floor, or ``factor`` times the error of float32 on the CPU where that is more. The CPU as the
    device computes without oneDNN, so that its roundings too differ from those that set the limit.
    """
    cpu = torch.device("cpu")
    exact, here = (outputs_of(subject, dtype, cpu, trained=False) for dtype in (torch.float64, torch.float32))
    with torch.backends.mkldnn.flags(enabled=False) if device.type == "cpu" else nullcontext():
        there, exact_there = (outputs_of(subject, dtype, device) for dtype in (torch.float32, torch.float64))
    figures = {}
    for name, truth in exact.items():
        limit = max(subject.floor, factor * relative_error(here[name], truth))
        figures[name] = Figure(f"{name} off by", relative_error(there[name], truth), limit)
    gradient = [figures.pop("gradient")] if "gradient" in figures else []
    worst = max(figures.values(), key=lambda one: (not one.within, one.value / max(one.limit, 1e-30)))
    double = max(relative_error(exact_there[name], truth) for name, truth in exact.items())
    return [worst, *gradient, Figure("in float64", double, max(EXACT, subject.floor if subject.floor > FLOOR else 0))]


def in_bfloat16(subject: Subject, device: torch.device) -> Figure:
    """How far bfloat16 is from float32 in evaluation on ``device``, at the worst output.

    Raises Failed for an output under autocast that is not float32, or not finite.
    """
    module, inputs = copy.deepcopy(subject.module).to(device).eval(), cast(subject.inputs, torch.float32, device)
    with torch.no_grad():
        full, _ = subject.forward(channels_last(module), inputs)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            half, _ = subject.forward(module, inputs)
    for name, one in half.items():
        if one.dtype != torch.float32 and name != "features":  # these are handed on as they were computed
            raise Failed(f"under autocast {name} is {one.dtype}, not float32")
        if not one.isfinite().all():
            raise Failed(f"under autocast {name} is not finite")
    return Figure("bfloat16 off by", max(relative_error(half[name].double(), full[name].double()) for name in full))
