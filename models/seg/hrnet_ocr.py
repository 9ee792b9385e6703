"""HRNet with object-contextual representations (Yuan et al., ECCV 2020), for the one class "crack".

With a single class the attention of pixels to object regions is a softmax over one region, always 1: the
transforms of pixels and regions that would only feed it have no influence and do not exist here. What is
left is one context vector for each image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.encoders.hrnet import HRNet
from models.layers import conv_bn_relu, softmax_pooling, upsample_aligned


class ObjectContext(nn.Module):
    """Pixel features [B,channels,h,w], joined by what the likely crack pixels of the image have in common.

    The context does not vary over the image: its part of the merging 1x1 convolution is a bias.

    Args:
        channels: of the pixel features.
        context_channels: inside the context.
        dropout: rate of the spatial dropout at the end.
    """

    def __init__(self, channels: int, context_channels: int, dropout: float) -> None:
        super().__init__()
        self.down = conv_bn_relu(channels, context_channels, side=1, bias=True)
        self.up = conv_bn_relu(context_channels, channels, side=1, bias=True)
        self.merge = nn.Conv2d(2 * channels, channels, 1)
        self.finish = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Dropout2d(dropout))

    def forward(self, pixels: Tensor, logits: Tensor) -> Tensor:
        """logits [B,1,h,w]: their softmax over all positions weighs the pixels of the crack region."""
        region = softmax_pooling(logits, pixels).transpose(1, 2).unsqueeze(-1)  # [B,channels,1,1]
        context_weight, pixel_weight = self.merge.weight.chunk(2, dim=1)
        context = F.conv2d(self.transform(region), context_weight)
        return self.finish(F.conv2d(pixels, pixel_weight, self.merge.bias) + context)

    def transform(self, region: Tensor) -> Tensor:
        """The context of a region's mean features, both [B,channels,1,1]."""
        try:
            return self.up(self.down(region))
        except ValueError as error:  # torch's batch norm refuses to train on a single value
            raise ArgumentError(
                "hrnet_ocr cannot train on a single image (one context vector has no variance to normalise "
                "by): use a batch_size of 2 or more for each process"
            ) from error


class HRNetOCR(Segmentation):
    """HRNetV2 with an object-contextual head and an auxiliary output.

    Args:
        width: channels of the finest branch (48: the authors').
        pretrained: see ``models.encoders.hrnet``.
        pixel_channels: of the pixel features.
        context_channels: inside the context.
        dropout: rate of the spatial dropout before the last convolution, in training.
    """

    multiple = 1

    def __init__(
        self,
        width: int = 48,
        pretrained: str = "none",
        pixel_channels: int = 512,
        context_channels: int = 256,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        if pixel_channels < 1 or context_channels < 1:
            what = f"pixel_channels {pixel_channels} and context_channels {context_channels}"
            raise ArgumentError(f"{what} must be at least 1 (512 and 256 are the authors')")
        self.backbone = HRNet(width, pretrained)
        features = sum(self.backbone.channels)
        self.auxiliary = nn.Sequential(*conv_bn_relu(features, features, bias=True), nn.Conv2d(features, 1, 1))
        self.to_pixels = conv_bn_relu(features, pixel_channels, bias=True)
        self.context = ObjectContext(pixel_channels, context_channels, dropout)
        self.head = nn.Conv2d(pixel_channels, 1, 1)

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W] of any size.
            kernel: ignored.

        Returns:
            Logits and auxiliary logits, both [B,1,H,W] in float32 or better.

        Raises:
            ArgumentError: in training, for a batch of a single image.
        """
        branches = self.backbone(x)
        lower = [upsample_aligned(branch, branches[0].shape[2:]) for branch in branches[1:]]
        features = torch.cat([branches[0], *lower], 1)  # [B,15 width,H/4,W/4]
        auxiliary = at_least_float32(self.auxiliary(features))
        main = at_least_float32(self.head(self.context(self.to_pixels(features), auxiliary)))
        aux = (upsample_aligned(auxiliary, x.shape[2:]),)
        return Segmented(upsample_aligned(main, x.shape[2:]), aux, self.handed_on(branches))

    def task_features(self, x: Tensor) -> list[Tensor]:
        """The backbone's four branches, at strides 4 to 32."""
        return self.backbone(x)
