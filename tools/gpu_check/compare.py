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

from engine.runtime.layout import channels_last
from tools.gpu_check.findings import Failed, Figure

# In float32 a sum of n products is off by about sqrt(n) * 6e-8: 2e-6 for the thousand that a convolution here adds,
# more behind many layers and with fast algorithms (Winograd, FFT). TF32 would be off by 5e-4 in each product.
FLOOR = 1e-4
# Networks that amplify rounding (a PReLU's slope, a maximum's place, batch norm over few pixels) amplify a disturbance
# of weights and input by 1e-6 too, about what a layer rounds by; the worst of three says how much, to a factor.
DISTURBANCE, DRAWS, FACTOR = 1e-6, 3, 10.0
EXACT = 1e-8  # in float64, where rounding is 1e-16, there is little left to amplify: another result is another function
Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Subject:
    """What is computed on both devices.

    Args:
        module: the network, loss or step.
        inputs: a tensor, which is differentiated by too, or a record.
        forward: from module and inputs to outputs by name, and a scalar to differentiate or None.
        halves: also try it in bfloat16.
        floor: of limits.
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
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{field.name: cast(getattr(value, field.name), dtype, device) for field in fields(value)}
        )
    return value


def calm(module: nn.Module) -> None:
    """Switch off what is random in training."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd) or type(layer).__name__ == "DropPath":
            layer.eval()


def outputs_of(subject: Subject, dtype: torch.dtype, device: torch.device, disturbed: bool = False) -> Outputs:
    """The outputs, and as "gradient" all derivatives in one vector, on the CPU in float64.

    disturbed: weights, and an input that is a tensor, are moved a little, at random.
    """
    module, inputs = copy.deepcopy(subject.module).to(device, dtype), cast(subject.inputs, dtype, device)
    calm(module)
    if isinstance(inputs, Tensor):
        inputs = inputs.clone()
    if disturbed:
        for tensor in [*module.parameters(), *([inputs] if isinstance(inputs, Tensor) else [])]:
            tensor.data.mul_(1 + DISTURBANCE * torch.randn_like(tensor))
    sources: list[Tensor] = [tensor for tensor in module.parameters() if tensor.requires_grad]
    if isinstance(inputs, Tensor):
        sources.append(inputs.requires_grad_())
    outputs, loss = subject.forward(module, inputs)
    if loss is not None:
        gradients = torch.autograd.grad(loss, sources, allow_unused=True)
        outputs["gradient"] = torch.cat([tensor.flatten() for tensor in gradients if tensor is not None])
    return {name: tensor.detach().to("cpu", torch.float64) for name, tensor in outputs.items()}


def relative_error(computed: Tensor, exact: Tensor) -> float:
    """Euclidean norm of the error relative to that of ``exact``; infinite for other shapes and for NaN."""
    if computed.shape != exact.shape:
        return math.inf
    error = ((computed - exact).norm() / exact.norm().clamp(min=1e-30)).item()
    return error if math.isfinite(error) else math.inf


def differences(subject: Subject, device: torch.device, factor: float = FACTOR) -> list[Figure]:
    """Errors on a device against float64 on the CPU: of the worst output, of the gradient, and of both in float64.

    Weights on the device are channels last, as in training. The CPU as the device computes without oneDNN.

    Args:
        subject: what to compute.
        device: where.
        factor: limits in float32 are the subject's floor, or where that is more this factor times what disturbances
            change on the CPU.
    """
    cpu, trained = torch.device("cpu"), replace(subject, module=channels_last(copy.deepcopy(subject.module)))
    exact = outputs_of(subject, torch.float64, cpu)
    moved = [outputs_of(subject, torch.float32, cpu, disturbed=True) for _ in range(DRAWS)]
    with torch.backends.mkldnn.flags(enabled=False) if device.type == "cpu" else nullcontext():
        there, exact_there = (outputs_of(trained, dtype, device) for dtype in (torch.float32, torch.float64))
    figures, far = {}, {}  # far: whether beyond the limit, and how many times it
    for name, truth in exact.items():
        limit = max(subject.floor, factor * max(relative_error(draw[name], truth) for draw in moved))
        figures[name] = Figure(f"{name} off by", relative_error(there[name], truth), limit)
        far[name] = (not figures[name].within, figures[name].value / max(limit, 1e-30))
    gradient = [figures.pop("gradient")] if "gradient" in figures else []
    worst = figures[max(figures, key=far.__getitem__)]
    double = max(relative_error(exact_there[name], truth) for name, truth in exact.items())
    return [worst, *gradient, Figure("in float64", double, EXACT if subject.floor == FLOOR else subject.floor)]


def in_bfloat16(subject: Subject, device: torch.device) -> Figure:
    """How far bfloat16 is from float32 in evaluation, at the worst output.

    Args:
        subject: what to compute.
        device: where.

    Raises:
        Failed: for an output under autocast that is not float32, or not finite.
    """
    module, inputs = copy.deepcopy(subject.module).to(device).eval(), cast(subject.inputs, torch.float32, device)
    with torch.no_grad():
        full, _ = subject.forward(channels_last(module), inputs)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            half, _ = subject.forward(module, inputs)
    for name, output in half.items():
        if output.dtype != torch.float32:
            raise Failed(f"under autocast {name} is {output.dtype}, not float32")
        if not output.isfinite().all():
            raise Failed(f"under autocast {name} is not finite")
    return Figure("bfloat16 off by", max(relative_error(half[name].double(), full[name].double()) for name in full))
