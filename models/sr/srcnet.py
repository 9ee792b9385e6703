"""The super-resolution part of SrcNet (Bae, Jang, An, Structural Health Monitoring 2021).

Kept for compatibility with the weights of Kondo & Ukita, who compare with it: blocks have no skip connection
of their own, only groups have; and in the channel attention the sigmoid comes first and the ReLU last, so
that a gate has no upper bound and can be exactly zero.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import Restored
from models.base import SuperResolution
from models.sr.bicubic import check_sides
from models.sr.projection import GEOMETRY, check_scale

ENLARGED = 4  # channels after the enlargement, in units of the width


convolution = partial(nn.Conv2d, kernel_size=3, padding=1)  # keeps the size


class AttentionBlock(nn.Module):
    """Two convolutions, then each channel times a gate made from all channels' means; keeps [B,width,h,w].

    Starts with gates of 1 and convolutions that keep the variance. With PyTorch's initial weights twenty such
    blocks in a row pass on nothing: the first one's gradient is some 1e-24 of the last one's.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = convolution(width, width), convolution(width, width)
        self.layers = nn.Sequential(first, nn.ReLU(), second)
        narrow, widen = nn.Conv2d(width, width // 2, 1), nn.Conv2d(width // 2, width, 1)
        self.gate = nn.Sequential(narrow, nn.Sigmoid(), widen, nn.ReLU())
        nn.init.kaiming_normal_(first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(second.weight, nonlinearity="linear")
        weight, bias = widen.parameters()
        nn.init.zeros_(weight)
        nn.init.ones_(bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        return x * self.gate(x.mean((2, 3), keepdim=True))


class Residual(nn.Module):
    """``x`` plus a convolution of what the blocks, one after the other, make of it; keeps [B,width,h,w].

    Args:
        width: channels.
        blocks: what ``x`` goes through before the convolution.
    """

    def __init__(self, width: int, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.Sequential(*blocks)
        self.last = convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(self.parts(x))


class SrcNet(SuperResolution):
    """Groups of channel-attention blocks at LR size, upsampled by one transposed convolution; not blind.

    The defaults have 17.1 M parameters.

    Args:
        scale: 2, 4 or 8.
        width: channels at LR size, even (four times as many at HR size).
        groups: number of groups.
        blocks: number of blocks in each group.

    Raises:
        ArgumentError: for other sizes.
    """

    def __init__(self, scale: int = 4, width: int = 64, groups: int = 10, blocks: int = 20) -> None:
        super().__init__()
        check_scale(scale)
        if width < 2 or width % 2:
            raise ArgumentError(f"width {width} must be even and at least 2")
        if groups < 1 or blocks < 1:
            raise ArgumentError(f"groups {groups} and blocks {blocks} must be at least 1")
        self.scale, self.feature_channels = scale, ENLARGED * width
        self.first = convolution(3, width)
        self.body = Residual(
            width, [Residual(width, [AttentionBlock(width) for _ in range(blocks)]) for _ in range(groups)]
        )
        side, stride, padding = GEOMETRY[scale]
        self.enlarge = nn.ConvTranspose2d(width, ENLARGED * width, side, stride, padding)
        self.output = convolution(ENLARGED * width, 3)

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Restore a low-resolution image.

        Args:
            lr: [B,3,h,w] in [0,1], h, w >= 2.
            kernel: ignored; none is estimated.

        Returns:
            sr [B,3,scale*h,scale*w], unclipped, and the features, one map [B,4*width,H,W].
        """
        check_sides(lr)
        features = self.enlarge(self.body(self.first(lr)))
        return Restored(self.output(features).to(lr.dtype), features=(features,))
