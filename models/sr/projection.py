"""Up- and down-projection units of Deep Back-Projection Networks (Haris, Shakhnarovich, Ukita, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from contracts.errors import ArgumentError
from models.layers import convolve_concatenated
from models.prelu import PReLU

# Kernel side, stride and padding that enlarge or reduce exactly by the scale.
GEOMETRY = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}
INITIAL_SLOPE = 0.01


def check_scale(scale: int) -> None:
    """Raise ArgumentError unless projection units exist for this scale."""
    if scale not in GEOMETRY:
        valid = ", ".join(map(str, GEOMETRY))
        raise ArgumentError(f"scale {scale} has no back-projection geometry; choose one of: {valid}")


def activated(layer: nn.Module, slope: float = INITIAL_SLOPE) -> nn.Sequential:
    """A layer followed by a PReLU with a single slope.

    Args:
        layer: whose result nothing else looks at (see ``models.prelu``).
        slope: where the PReLU starts.
    """
    return nn.Sequential(layer, PReLU(slope))


def upsampling(
    channels: int, out_channels: int, scale: int, bias: bool = False, slope: float = INITIAL_SLOPE
) -> nn.Sequential:
    """Transposed convolution that enlarges by ``scale``, then PReLU.

    Args:
        channels: of the input.
        out_channels: of the output.
        scale: 2, 4 or 8.
        bias: whether the convolution has one.
        slope: where the PReLU starts.
    """
    side, stride, padding = GEOMETRY[scale]
    layer = nn.ConvTranspose2d(channels, out_channels, side, stride, padding, bias=bias)
    return activated(layer, slope)


def _downsampling(
    channels: int, out_channels: int, scale: int, bias: bool = False, slope: float = INITIAL_SLOPE
) -> nn.Sequential:
    """Convolution by ``1/scale``, then PReLU."""
    side, stride, padding = GEOMETRY[scale]
    return activated(nn.Conv2d(channels, out_channels, side, stride, padding, bias=bias), slope)


def _compressing(channels: int, width: int, compress: bool, slope: float) -> nn.Sequential | nn.Identity:
    """1x1 convolution with bias to ``width`` channels, then PReLU; without ``compress`` the identity."""
    return activated(nn.Conv2d(channels, width, 1), slope) if compress else nn.Identity()


def _compressed(layer: nn.Sequential | nn.Identity, maps: tuple[Tensor, ...]) -> Tensor:
    """``layer``, made by ``_compressing``, applied to maps [B,C_i,H,W] whose channels follow each other."""
    if isinstance(layer, nn.Identity):
        return torch.cat(maps, 1)
    convolution, activation = layer
    assert isinstance(convolution, nn.Conv2d)
    return activation(convolve_concatenated(convolution, maps))


class _Projection(nn.Module):
    """What both units consist of: a first layer that may compress, and three that enlarge or reduce.

    Args:
        channels: C_in.
        width: channels of the result.
        scale: 2, 4 or 8.
        compress: begin with a 1x1 convolution (else C_in = width).
        bias: of all other convolutions.
        slope: where the PReLUs start.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        scale: int,
        compress: bool = True,
        bias: bool = False,
        slope: float = INITIAL_SLOPE,
    ) -> None:
        super().__init__()
        self.compress = _compressing(channels, width, compress, slope)
        up, down = (partial(make, width, width, scale, bias, slope) for make in (upsampling, _downsampling))
        self.build(up, down)

    def build(self, up: Callable[[], nn.Module], down: Callable[[], nn.Module]) -> None:
        """Make the three layers, of which ``up`` makes those that enlarge and ``down`` those that reduce."""
        raise NotImplementedError


class UpProjection(_Projection):
    """LR features [B,C_in,h,w] -> HR features [B,width,scale*h,scale*w], corrected by their own error.

    Features may come in several maps [B,C_i,h,w] whose channels follow each other and are C_in in all.
    """

    def build(self, up: Callable[[], nn.Module], down: Callable[[], nn.Module]) -> None:
        self.enlarge, self.reduce, self.enlarge_error = up(), down(), up()

    def forward(self, *low: Tensor) -> Tensor:
        features = _compressed(self.compress, low)
        first = self.enlarge(features)
        return self.enlarge_error(self.reduce(first) - features) + first


class DownProjection(_Projection):
    """HR features [B,C_in,H,W] -> LR features [B,width,H/scale,W/scale], corrected by their own error.

    Maps are those of ``UpProjection``.
    """

    def build(self, up: Callable[[], nn.Module], down: Callable[[], nn.Module]) -> None:
        self.reduce, self.enlarge, self.reduce_error = down(), up(), down()

    def forward(self, *high: Tensor) -> Tensor:
        features = _compressed(self.compress, high)
        first = self.reduce(features)
        return self.reduce_error(self.enlarge(first) - features) + first
