"""Batch norm over all processes, on any device: torch's own SyncBatchNorm needs a GPU.

The layers keep their parameters and buffers, so the optimiser and the checkpoints do not notice
(the reference code replaced the parameters after the optimiser had been made, and so never
trained them).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from contracts.precision import at_least_float32


class _Synchronised(nn.BatchNorm2d):
    """Statistics over all processes; every process has a batch of the same shape."""

    def _alone(self) -> bool:
        return not self.training or not dist.is_initialized() or dist.get_world_size() == 1

    def _normalise(self, x: Tensor) -> Tensor:
        """[B,C,H,W] -> same shape; gradients flow through the shared statistics."""
        world = dist.get_world_size()
        values = at_least_float32(x)
        mean = all_reduce(values.mean((0, 2, 3))) / world
        centred = values - mean.view(1, -1, 1, 1)
        variance = all_reduce(centred.square().mean((0, 2, 3))) / world
        self._update(mean.detach(), variance.detach(), x.numel() // x.shape[1] * world)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)


class SyncBatchNorm2d(_Synchronised):
    """nn.BatchNorm2d with synchronised training statistics."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.BatchNorm2d.forward(self, x) if self._alone() else self._normalise(x)


class SyncBatchNormAct2d(_Synchronised, BatchNormAct2d):
    """timm's batch norm with activation, with synchronised training statistics."""

    def forward(self, x: Tensor) -> Tensor:
        return BatchNormAct2d.forward(self, x) if self._alone() else self.act(self.drop(self._normalise(x)))


def synchronise(module: nn.Module) -> None:
    """Turn every batch norm inside ``module`` into its synchronised kind, keeping its tensors."""
    kinds = {nn.BatchNorm2d: SyncBatchNorm2d, BatchNormAct2d: SyncBatchNormAct2d}
    for layer in module.modules():
        layer.__class__ = kinds.get(type(layer), type(layer))
