"""Up- and down-projection units of Deep Back-Projection Networks (Haris, Shakhnarovich, Ukita, CVPR 2018)."""

from __future__ import annotations

from torch import Tensor, nn

from contracts.errors import UserError

# Kernel side, stride and padding that enlarge or reduce exactly by the scale.
GEOMETRY = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}
INITIAL_SLOPE = 0.01


def check_scale(scale: int) -> None:
    """Raise UserError unless projection units exist for this scale."""
    if scale not in GEOMETRY:
        valid = ", ".join(str(one) for one in GEOMETRY)
        raise UserError(f"scale {scale} has no back-projection geometry; choose one of: {valid}")


def activated(layer: nn.Module) -> nn.Sequential:
    """The layer followed by a PReLU with a single slope."""
    return nn.Sequential(layer, nn.PReLU(init=INITIAL_SLOPE))


def enlarging(channels: int, out_channels: int, scale: int) -> nn.Sequential:
    """Transposed convolution by ``scale`` without bias, then PReLU."""
    side, stride, padding = GEOMETRY[scale]
    return activated(nn.ConvTranspose2d(channels, out_channels, side, stride, padding, bias=False))


def reducing(channels: int, out_channels: int, scale: int) -> nn.Sequential:
    """Convolution by ``1/scale`` without bias, then PReLU."""
    side, stride, padding = GEOMETRY[scale]
    return activated(nn.Conv2d(channels, out_channels, side, stride, padding, bias=False))


class UpProjection(nn.Module):
    """LR features [B,C_in,h,w] -> HR features [B,width,scale*h,scale*w], corrected by their own error."""

    def __init__(self, channels: int, width: int, scale: int) -> None:
        super().__init__()
        self.compress = activated(nn.Conv2d(channels, width, 1))
        self.enlarge = enlarging(width, width, scale)
        self.reduce = reducing(width, width, scale)
        self.enlarge_error = enlarging(width, width, scale)

    def forward(self, low: Tensor) -> Tensor:
        compressed = self.compress(low)
        first = self.enlarge(compressed)
        return self.enlarge_error(self.reduce(first) - compressed) + first


class DownProjection(nn.Module):
    """HR features [B,C_in,H,W] -> LR features [B,width,H/scale,W/scale], corrected by their own error."""

    def __init__(self, channels: int, width: int, scale: int) -> None:
        super().__init__()
        self.compress = activated(nn.Conv2d(channels, width, 1))
        self.reduce = reducing(width, width, scale)
        self.enlarge = enlarging(width, width, scale)
        self.reduce_error = reducing(width, width, scale)

    def forward(self, high: Tensor) -> Tensor:
        compressed = self.compress(high)
        first = self.reduce(compressed)
        return self.reduce_error(self.enlarge(first) - compressed) + first
