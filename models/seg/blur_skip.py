"""PSPNet with a blur skip: the estimated blur kernel modulates what the head looks at.

Kondo & Ukita, IEEE TIM 73, 2024: the extra path from the kernel of the super-resolution network to the
end of the segmentation network. The paper trains this path alone, on a joint model that is already trained.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError, lookup
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.layers import conv_bn_relu
from models.prelu import PReLU
from models.seg.pspnet import PSPNet
from models.sr.border import constant_map, spread
from models.sr.modulation import KernelModulation

REDUCED_SIDE = 7
STEPS = 2
prelu = partial(PReLU, init=0.01)


class KernelOnlyBranch(nn.Module):
    """Two 3x3 convolutions of the kernel [B,taps] taken as a constant map, PReLU between; [B,channels,5,5].

    The result is a border table, to be spread to the size of the image.
    """

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(taps, taps, 3, padding=1)
        self.activation = prelu()
        self.second = nn.Conv2d(taps, channels, 3, padding=1)

    def forward(self, kernel: Tensor) -> Tensor:
        return self.second(self.activation(self.first(constant_map(kernel, 5))))


class KernelOnlyModulation(nn.Module):
    """features * sigmoid(scale) + shift, both from the kernel [B,taps] alone; keeps [B,channels,H,W]."""

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.scale, self.shift = KernelOnlyBranch(channels, taps), KernelOnlyBranch(channels, taps)

    def forward(self, features: Tensor, kernel: Tensor) -> Tensor:
        kernel, size = kernel.to(features.dtype), features.shape[2:]
        scale = torch.sigmoid(self.scale(kernel))
        return features * spread(scale, *size) + spread(self.shift(kernel), *size)


by_both = partial(KernelModulation, activation=prelu)
VARIANTS: dict[str, Callable[[int, int], nn.Module]] = {
    "full": by_both,
    "origin": KernelOnlyModulation,
    "reduced": by_both,
}


class BlurSkip(nn.Module):
    """Twice: modulate features [B,channels,H,W] by the kernel [B,1,k,k], then convolution, batch norm, ReLU. H, W >= 4.

    Args:
        channels: of the features.
        kernel_side: k.
        variant: see ``PSPNetBlurSkip``.
    """

    def __init__(self, channels: int, kernel_side: int, variant: str) -> None:
        super().__init__()
        self.kernel_side, self.variant = kernel_side, variant
        taps = REDUCED_SIDE**2 if variant == "reduced" else kernel_side**2
        build = lookup(VARIANTS, variant, "variant")
        self.modulations = nn.ModuleList(build(channels, taps) for _ in range(STEPS))
        self.convolutions = nn.ModuleList(conv_bn_relu(channels, channels) for _ in range(STEPS))

    def forward(self, features: Tensor, kernel: Tensor) -> Tensor:
        taps = self.downsample(kernel).flatten(1)
        for modulate, convolve in zip(self.modulations, self.convolutions, strict=True):
            features = convolve(modulate(features, taps))
        return features

    def downsample(self, kernel: Tensor) -> Tensor:
        """Variant "reduced": the kernel at 7x7 (bicubic, a = -0.75, corners aligned); it no longer sums to 1."""
        if self.variant != "reduced":
            return kernel
        return F.interpolate(kernel, (REDUCED_SIDE, REDUCED_SIDE), mode="bicubic", align_corners=True)


class PSPNetBlurSkip(PSPNet):
    """PSPNet whose decoded features are joined by a copy that the blur kernel has modulated.

    ``needs_kernel`` tells the joint model that the SR network must estimate a kernel.

    Args:
        kernel_side: side k of the kernel, as estimated by the SR network.
        variant: "full" (the paper's: scale and shift from features and kernel), "origin" (from the kernel alone) or
            "reduced" (as "full", with the kernel reduced to 7x7).
        pspnet: arguments of ``PSPNet``.

    Raises:
        ArgumentError: for an unknown variant, or a side that is even or not positive.
    """

    needs_kernel = True
    may_lack = ("blur_skip.",)  # weights of a PSPNet without it fit, too
    sharp: Tensor

    def __init__(self, kernel_side: int = 21, variant: str = "full", **pspnet: Any) -> None:
        super().__init__(**pspnet)
        if kernel_side < 1 or kernel_side % 2 == 0:
            raise ArgumentError(f"kernel_side {kernel_side} must be odd and positive, such as 21")
        self.blur_skip = BlurSkip(self.head.in_channels, kernel_side, variant)
        sharp = torch.zeros(1, 1, kernel_side, kernel_side)
        sharp[..., kernel_side // 2, kernel_side // 2] = 1
        self.register_buffer("sharp", sharp, persistent=False)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 8.
            kernel: its blur [B,1,k,k], sums to 1. Without it the image counts as sharp (a photograph that no SR network
                restored): the kernel is a centred delta.

        Returns:
            Logits and auxiliary logits, both [B,1,H,W] in float32 or better.

        Raises:
            ArgumentError: for a kernel of another shape.
        """
        features = self.encoder(x)
        decoded, aux = self.decode(features, x.shape[2:])
        skipped = self.blur_skip(decoded, self._checked(kernel, len(x)))
        return Segmented(at_least_float32(self.head(decoded + skipped)), (aux,), self.handed_on(features))

    def _checked(self, kernel: Tensor | None, samples: int) -> Tensor:
        """The kernels of a batch, deltas where there are none. Raises ArgumentError for another shape."""
        expected = (samples, *self.sharp.shape[1:])
        if kernel is None:
            return self.sharp.expand(expected)
        if kernel.shape != expected:
            raise ArgumentError(
                f"kernel has shape {list(kernel.shape)}, the blur skip expects {list(expected)}; "
                "give kernel_side as the SR network estimates it"
            )
        return kernel

    @property
    def skip_path(self) -> nn.Module:
        """The added path: all that the paper trains."""
        return self.blur_skip
