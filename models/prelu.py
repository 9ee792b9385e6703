"""PReLU with one slope for the whole layer, which on a CPU keeps one map for the backward pass instead of two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RECOVERABLE = 1e-3  # slopes from here on can be divided by: the input is recovered from the output


class PReLU(nn.PReLU):
    """``max(0, x) + slope * min(0, x)``, with the weights and numbers of ``nn.PReLU`` for one slope.

    Training on a CPU it overwrites ``x``, which has to be the result of a layer that does not look at it again
    (a convolution, a batch norm): the next layer keeps the output anyway, and the slope's gradient needs no more.
    A slope that is zero, negative or nearly so keeps the input. Elsewhere it is ``F.prelu``: the slope's value would
    have to be fetched from the device.
    """

    def __init__(self, init: float = 0.25) -> None:
        """init: the slope to start at."""
        super().__init__(1, init)

    def forward(self, x: Tensor) -> Tensor:
        trains = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if not trains or not x.is_cpu or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return F.prelu(x, self.weight)
        return _OneSlope.apply(x, self.weight)


class _OneSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
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
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (kept,) = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.leaky_relu_backward(gradient, kept, ctx.slope, False)
        if ctx.needs_input_grad[1]:
            negative = kept.clamp(max=0).mul_(gradient)
            total = negative.sum(dtype=torch.promote_types(kept.dtype, torch.float32))
            of_weight = (total / ctx.slope if ctx.kept_output else total).to(ctx.dtype).reshape(1)
        return of_x, of_weight
