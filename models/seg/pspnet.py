"""PSPNet on a dilated encoder (Zhao et al., CVPR 2017), as Kondo & Ukita use it.

Kept for compatibility with the authors' weights: the first blocks of ResNet layers 3 and 4 are not
dilated, and the auxiliary output interpolates probabilities rather than logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import Segmented
from models.base import Segmentation
from models.encoders.timm_encoders import build_encoder
from models.layers import conv_bn_relu, scaled_width, upsample_aligned, upsample_to
from models.prelu import PReLU
from models.probability import both_probabilities, logits_of

BINS = (1, 2, 3, 6)
LEVELS = (3, 4)


def cell_means(x: Tensor, bins: int) -> Tensor:
    """Means over a grid of bins x bins cells, as adaptive average pooling takes them.

    ONNX has no such pooling: when exported, products with matrices of weights [bins,H] and [bins,W].

    Args:
        x: [B,C,H,W].
        bins: cells along each side.
    """
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_avg_pool2d(x, bins)
    rows, columns = (cell_weights(torch.as_tensor(side), bins) for side in x.shape[2:])
    return rows.to(x.dtype) @ x @ columns.to(x.dtype).T


def cell_weights(length: Tensor, bins: int) -> Tensor:
    """Weights [bins,length] of the positions along a side for the mean of each of its cells, which may overlap."""
    cells = torch.arange(bins)[:, None]
    positions = torch.arange(length)  # type: ignore[call-overload]  # a Tensor, for exported graphs
    first, beyond = cells * length // bins, ((cells + 1) * length + bins - 1) // bins
    inside = ((positions >= first) & (positions < beyond)).float()
    return inside / inside.sum(1, keepdim=True)


class PyramidPooling(nn.Module):
    """Context at four grids: [B,C,h,w] -> [B,out_channels,h,w].

    The bottleneck's 1x1 convolution of the upsampled context maps is applied before their upsampling;
    both are linear and bilinear weights sum to 1, so the result is the same and four fifths cheaper.

    Args:
        channels: C.
        branch_channels: of the context at each grid.
        out_channels: of the result.
    """

    def __init__(self, channels: int, branch_channels: int, out_channels: int) -> None:
        super().__init__()
        self.branch_channels = branch_channels
        self.branches = nn.ModuleList(nn.Conv2d(channels, branch_channels, 1, bias=False) for _ in BINS)
        self.bottleneck = nn.Conv2d(branch_channels * len(BINS) + channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        channels = [self.branch_channels] * len(BINS) + [x.shape[1]]
        *branch_weights, input_weight = self.bottleneck.weight.split(channels, dim=1)
        total = F.conv2d(x, input_weight, self.bottleneck.bias)
        for bins, branch, weight in zip(BINS, self.branches, branch_weights, strict=True):
            context = F.conv2d(branch(cell_means(x, bins)), weight)  # [B,out_channels,bins,bins]
            total = total + upsample_to(context, x)
        return F.relu(total)


def up_step(channels: int, out_channels: int) -> nn.Sequential:
    """The convolution after a x2 enlargement: 3x3, batch norm, PReLU with one slope."""
    return nn.Sequential(nn.Conv2d(channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), PReLU())


class PSPNet(Segmentation):
    """Pyramid scene parsing network with an auxiliary output.

    Args:
        encoder: see ``models.encoders.timm_encoders``.
        pretrained: "none", "imagenet" or a weight file.
        width: factor on the decoder's channels (1.0: the paper's 512 for each pool, 1024, 256, 64, 64).
        pyramid_dropout: rate of spatial dropout after the pyramid, in training.
        step_dropout: the same after each upsampling.
        auxiliary_dropout: the same before the auxiliary output.
    """

    multiple = 8

    def __init__(
        self,
        encoder: str = "resnet34",
        pretrained: str = "none",
        width: float = 1.0,
        pyramid_dropout: float = 0.3,
        step_dropout: float = 0.15,
        auxiliary_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width <= 0:
            raise ArgumentError(f"width {width} must be positive (1.0 is the paper's decoder)")
        self.encoder = build_encoder(encoder, LEVELS, dilated=True, pretrained=pretrained)
        middle, deep = self.encoder.feature_info.channels()
        pool, wide, half, thin = (scaled_width(channels, width) for channels in (512, 1024, 256, 64))
        self.pyramid = PyramidPooling(deep, pool, wide)
        self.pyramid_dropout = nn.Dropout2d(pyramid_dropout)
        self.up_steps = nn.ModuleList([up_step(wide, half), up_step(half, thin), up_step(thin, thin)])
        self.step_dropout = nn.Dropout2d(step_dropout)
        self.head = nn.Conv2d(thin, 1, 1)
        self.auxiliary = nn.Sequential(
            *conv_bn_relu(middle, middle), nn.Dropout2d(auxiliary_dropout), nn.Conv2d(middle, 1, 1)
        )

    def forward(self, x: Tensor, kernel: Tensor | None = None) -> Segmented:
        """Segment a normalised image.

        Args:
            x: [B,3,H,W], sides divisible by 8.
            kernel: ignored.

        Returns:
            Logits and auxiliary logits, both [B,1,H,W] in float32 or better.
        """
        features = self.encoder(x)
        decoded, aux = self.decode(features, x.shape[2:])
        return Segmented(at_least_float32(self.head(decoded)), (aux,), self.handed_on(features))

    def decode(self, features: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What the head looks at and the auxiliary output.

        Args:
            features: both maps of the encoder.
            size: (H, W) of the image.

        Returns:
            [B,C,H,W] (C = 64 at width 1), and logits [B,1,H,W].
        """
        middle, deep = features
        decoded = self.pyramid_dropout(self.pyramid(deep))
        for step in self.up_steps:
            upsampled = F.interpolate(decoded, scale_factor=2, mode="bilinear", align_corners=False)
            decoded = self.step_dropout(step(upsampled))
        both = both_probabilities(self.auxiliary(middle))
        return decoded, logits_of(upsample_aligned(both, size))
