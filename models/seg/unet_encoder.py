"""U-Net (Ronneberger et al., MICCAI 2015) on a residual encoder, with transposed convolutions in the decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.encoders.timm_encoders import build_encoder
from models.layers import conv_bn_relu, scaled_width, upsample_to
from models.seg.refinement import Darkness, geometric_mean

LEVELS = (0, 1, 2, 3, 4)
STEPS = (512, 256, 128, 64)  # channels after each enlargement, coarsest first
LAST = 32


class Step(nn.Module):
    """x2 by a transposed convolution, joined by the encoder's features of that size (if any), two convolutions.

    Args:
        channels: of the input.
        skipped: channels of the encoder's features, 0 without them.
        out_channels: of the result.
    """

    def __init__(self, channels: int, skipped: int, out_channels: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(channels, out_channels, 2, stride=2)
        self.layers = nn.Sequential(
            *conv_bn_relu(out_channels + skipped, out_channels), *conv_bn_relu(out_channels, out_channels)
        )

    def forward(self, x: Tensor, skipped: Tensor | None) -> Tensor:
        upsampled = self.enlarge(x)
        return self.layers(upsampled if skipped is None else torch.cat([upsampled, skipped], 1))


class EncoderUNet(Segmentation):
    """U-Net whose encoder comes from ``models.encoders.timm_encoders``, strides 2 to 32.

    Args:
        encoder: see there.
        pretrained: "none", "imagenet" or a weight file.
        width: factor on the decoder's channels.
        freeze_encoder: keep the encoder's weights and statistics as they are.
        bias: of the last convolution at the start, a logit (negative: few pixels are crack).
        cam: also learn a class activation map (B. Zhou et al., CVPR 2016) on the deepest features, in training an
            auxiliary output, afterwards a refinement: the geometric mean of both probabilities.
        darkness: outside training, refine the map by what is dark and thin in the image (``models.seg.refinement``).

    Raises:
        ArgumentError: for a width that is not positive.
    """

    multiple = 32

    def __init__(
        self,
        encoder: str = "resnet50",
        pretrained: str = "none",
        width: float = 1.0,
        freeze_encoder: bool = False,
        bias: float = 0.0,
        cam: bool = False,
        darkness: bool = False,
    ) -> None:
        super().__init__()
        if width <= 0:
            raise ArgumentError(f"width {width} must be positive")
        self.encoder = build_encoder(encoder, LEVELS, dilated=False, pretrained=pretrained)
        self.freeze_encoder = freeze_encoder
        *skipped, channels = self.encoder.feature_info.channels()
        widths = [scaled_width(channel_count, width) for channel_count in (*STEPS, LAST)]
        self.steps = nn.ModuleList(
            Step(before, joined, after)
            for before, joined, after in zip([channels, *widths[:-1]], [*reversed(skipped), 0], widths, strict=True)
        )
        self.head = nn.Conv2d(widths[-1], 1, 1)
        self.cam = nn.Conv2d(channels, 1, 1) if cam else None
        self.darkness = Darkness() if darkness else None
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, bias)
        if (self.head.weight <= 0).all():  # else its largest logits lie where all ReLUs are shut: no gradient
            self.head.weight.data.neg_()

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 32.
            kernel: ignored.

        Returns:
            Logits [B,1,H,W]; in training with ``cam`` also the activation map [B,1,H,W], logits.
        """
        features = self.encoder(x)
        *finer, deepest = features
        decoded = deepest
        for step, skipped in zip(self.steps, [*reversed(finer), None], strict=True):
            decoded = step(decoded, skipped)
        logits = at_least_float32(self.head(decoded))
        activation = None
        if self.cam is not None:
            activation = upsample_to(at_least_float32(self.cam(deepest)), x)
        if self.training:
            return Segmented(logits, () if activation is None else (activation,), self.handed_on(features))
        if activation is not None:
            logits = geometric_mean(logits, activation)
        return Segmented(logits if self.darkness is None else self.darkness(logits, x))

    def train(self, mode: bool = True) -> EncoderUNet:
        """As usual, but for a frozen encoder, whose statistics stay."""
        super().train(mode)
        if self.freeze_encoder:
            self.encoder.eval()
        return self

    def frozen_parameters(self) -> list[nn.Parameter]:
        """What no stage trains."""
        return list(self.encoder.parameters()) if self.freeze_encoder else []
