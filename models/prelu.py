"""PReLU with one slope for the whole layer, which on a CPU keeps one map for the backward pass instead of two."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.precision import wide_type

RECOVERABLE = 1e-3  # slopes from here on can be divided by: the input is recovered from the output
BLOCK = 2**17  # values that the backward pass takes at a time: three times as many stay in a core's second-level cache


class PReLU(nn.PReLU):
    """``max(0, x) + slope * min(0, x)``, with the weights and numbers of ``nn.PReLU`` for one slope.

    Training on a CPU it overwrites ``x``, which has to be the result of a layer that does not look at it again
    (a convolution, a batch norm): the next layer keeps the output anyway, and the slope's gradient needs no more.
    A slope that is zero, negative or nearly so keeps the input. Elsewhere it is ``F.prelu``: the slope's value would
    have to be fetched from the device.

    Args:
        init: slope to start at.
    """

    def __init__(self, init: float = 0.25) -> None:
        super().__init__(1, init)

    def forward(self, x: Tensor) -> Tensor:
        trains = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if not trains or not x.is_cpu or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return F.prelu(x, self.weight)
        return _OneSlope.apply(x, self.weight)


class _OneSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.slope, ctx.dtype = weight.item(), weight.dtype
        ctx.kept_output = ctx.slope >= RECOVERABLE
        if ctx.kept_output:
            ctx.mark_dirty(x)
            F.leaky_relu_(x, ctx.slope)
            ctx.save_for_backward(x)
            return x
        ctx.save_for_backward(x)
        return F.leaky_relu(x, ctx.slope)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (saved,) = ctx.saved_tensors
        input_gradient, total = _in_blocks(gradient, saved, ctx.slope, ctx.needs_input_grad[1])
        if total is None:
            return input_gradient, None
        return input_gradient, (total / ctx.slope if ctx.kept_output else total).to(ctx.dtype).reshape(1)


def _in_blocks(gradient: Tensor, saved: Tensor, slope: float, sums: bool) -> tuple[Tensor, Tensor | None]:
    """The gradient of the input, and if ``sums`` the sum of gradient * min(saved, 0) in float32 or wider.

    Block by block in the order of memory, so that a large map is read once and not for each of the operations.
    """
    input_gradient = torch.empty_like(saved)  # dense in memory, in the order of saved where that is dense
    values, incoming, outgoing = (
        _in_memory(tensor, input_gradient).split(BLOCK) for tensor in (saved, gradient, input_gradient)
    )
    wide = wide_type(saved)
    total = saved.new_zeros((), dtype=wide) if sums else None
    for value, upstream, result in zip(values, incoming, outgoing, strict=True):
        torch.ops.aten.leaky_relu_backward.grad_input(upstream, value, slope, False, grad_input=result)
        if total is not None:
            total += torch.dot(value.clamp(max=0).to(wide), upstream.to(wide))
    return input_gradient, total


def _in_memory(tensor: Tensor, like: Tensor) -> Tensor:
    """The values of ``tensor`` in the order in which those of the dense ``like``, of the same shape, lie in memory."""
    if tensor.stride() != like.stride():
        tensor = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
    return tensor.as_strided((tensor.numel(),), (1,))
