"""The part of DSRL that both branches share: a ResNet of stride 16 and spatial pyramid pooling.

After DeepLab v3+ (Chen et al., ECCV 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contracts.errors import ArgumentError, lookup
from models.encoders.timm_encoders import build_resnet
from models.layers import conv_bn_relu

RESNETS = dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101"), build_resnet)
LEVELS = (1, 4)  # layer1 at stride 4, layer4
MULTI_GRID = (2, 4, 8)
RATES = (6, 12, 18)


def dilate(layer: nn.Module) -> None:
    """Take the stride out of a ResNet layer and dilate the 3x3 convolutions of its blocks by MULTI_GRID."""
    for block, dilation in zip(layer.children(), MULTI_GRID, strict=False):
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
                if module.kernel_size == (3, 3):
                    module.dilation = module.padding = (dilation, dilation)


class SpatialPyramid(nn.Module):
    """Atrous spatial pyramid pooling: [B,C,h,w] -> [B,out_channels,h,w].

    A 1x1 convolution, three dilated 3x3 convolutions and the mean of the whole map, merged by a 1x1 convolution.

    Args:
        channels: C.
        out_channels: of each branch and of the result.
        dropout: rate after the merge.

    Raises:
        UserError: in training on one sample, as the norm of the pooled branch needs at least two.
    """

    def __init__(self, channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv_bn_relu(channels, out_channels, side=1)])
        self.branches.extend(conv_bn_relu(channels, out_channels, dilation=rate) for rate in RATES)
        self.pooled = conv_bn_relu(channels, out_channels, side=1)
        self.merge = conv_bn_relu(out_channels * (len(RATES) + 2), out_channels, side=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.shape[0] == 1:
            raise ArgumentError("DSRL cannot train on one sample at a time; give batches of 2 or more")
        pooled = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        outputs = [*(branch(x) for branch in self.branches), pooled]
        return self.dropout(self.merge(torch.cat(outputs, 1)))


class SharedEncoder(nn.Module):
    """Image [B,3,h,w] -> context [B,C,h/16,w/16] and details [B,D,h/4,w/4]; sides are rounded up.

    ``channels`` holds C and D.

    Args:
        backbone: a name in ``RESNETS``.
        pretrained: "none", "imagenet" or a weight file.
        context: C.
        dropout: rate after the pyramid.
    """

    def __init__(self, backbone: str, pretrained: str, context: int, dropout: float) -> None:
        super().__init__()
        self.backbone = lookup(RESNETS, backbone, "encoder")(backbone, LEVELS, dilated=False, pretrained=pretrained)
        dilate(self.backbone.get_submodule("layer4"))  # which thus stays at stride 16
        details, deep = self.backbone.feature_info.channels()
        self.channels = (context, details)
        self.pyramid = SpatialPyramid(deep, context, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        details, deep = self.backbone(x)
        return self.pyramid(deep), details
