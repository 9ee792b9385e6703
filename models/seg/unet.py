"""U-Net (Ronneberger et al., MICCAI 2015) on VGG-16's convolutions, as Kondo & Ukita compare with it.

The layout is that of TernausNet (Iglovikov & Shvets, 2018) less its deepest level.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contracts.errors import ArgumentError, lookup
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.encoders.vgg import VGGEncoder, load_pretrained
from models.layers import conv_relu, initialise, scaled_width

STEPS = (256, 256, 128, 64)  # channels after each enlargement, coarsest first
LAST = 32


def pixel_shuffle_step(channels: int, out_channels: int) -> nn.Sequential:
    """x2 by sub-pixel convolution (Shi et al., CVPR 2016): convolve to four times the channels, rearrange."""
    return nn.Sequential(*conv_relu(channels, 4 * out_channels), nn.PixelShuffle(2))


def deconv_step(channels: int, out_channels: int) -> nn.Sequential:
    """x2 by a transposed convolution with a 4x4 kernel, after a convolution to twice the channels."""
    enlarge = nn.ConvTranspose2d(2 * out_channels, out_channels, 4, stride=2, padding=1)
    return nn.Sequential(*conv_relu(channels, 2 * out_channels), enlarge, nn.ReLU(inplace=True))


def bilinear_step(channels: int, out_channels: int) -> nn.Sequential:
    """x2 by bilinear interpolation (half-pixel centres), before two convolutions."""
    enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(enlarge, *conv_relu(channels, 2 * out_channels), *conv_relu(2 * out_channels, out_channels))


DECODERS: dict[str, Callable[[int, int], nn.Sequential]] = {
    "pixel_shuffle": pixel_shuffle_step,
    "deconv": deconv_step,
    "bilinear": bilinear_step,
}


class UNet(Segmentation):
    """Encoder-decoder with connections at every size; no auxiliary output.

    Args:
        decoder: how maps are upsampled: "pixel_shuffle" (as the authors trained it), "deconv" or "bilinear".
        pretrained: encoder weights, "none", "imagenet" or a weight file of VGG-16.
        width: factor on all channels (1.0: the paper's network, 29.5 million parameters).

    Raises:
        ArgumentError: for an unknown decoder, a width that is not positive, and weights that do not fit.
    """

    multiple = 16

    def __init__(self, decoder: str = "pixel_shuffle", pretrained: str = "none", width: float = 1.0) -> None:
        super().__init__()
        step = lookup(DECODERS, decoder, "decoder")
        if width <= 0:
            raise ArgumentError(f"width {width} must be positive (1.0 is the paper's network)")
        self.encoder = VGGEncoder(width)
        finest, *finer, deepest = self.encoder.channels
        center, *others = (scaled_width(channels, width) for channels in STEPS)
        self.center = step(deepest, center)
        self.steps = nn.ModuleList()
        before = center
        for joining, channels in zip(reversed(finer), others, strict=True):
            self.steps.append(step(before + joining, channels))
            before = channels
        self.last = conv_relu(before + finest, scaled_width(LAST, width))
        self.head = nn.Conv2d(scaled_width(LAST, width), 1, 1)
        initialise(self)  # without norms the signal fades otherwise
        load_pretrained(self.encoder, pretrained)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 16.
            kernel: ignored.

        Returns:
            Logits [B,1,H,W].
        """
        features = self.encoder(x)
        finest, *finer, deepest = features
        decoded = self.center(deepest)  # [B,256,H/8,W/8]
        for step, joining in zip(self.steps, reversed(finer), strict=True):
            decoded = step(torch.cat([decoded, joining], 1))  # twice the sides
        logits = at_least_float32(self.head(self.last(torch.cat([decoded, finest], 1))))
        return Segmented(logits, encoded=self.handed_on(features))
