"""The convolutions of VGG-16 (Simonyan & Zisserman, ICLR 2015) as five feature maps, from fine to coarse.

timm's VGG-16 has the same layers, but builds its 120 million classifier weights first and has one width.
"""

from __future__ import annotations

from collections.abc import Mapping

import timm
from torch import Tensor, nn

from contracts.errors import ArgumentError
from models.encoders.timm_encoders import load_features, read_file

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)


def scaled(channels: int, width: float) -> int:
    """A number of channels times ``width``, at least 1."""
    return max(1, round(channels * width))


class VGGEncoder(nn.Module):
    """Image [B,3,H,W] -> the ReLU outputs before each pooling, at strides 1, 2, 4, 8, 16.

    ``channels`` names their numbers of channels. The layers stand in ``features`` under torchvision's
    numbers; there is no fifth pooling and no batch norm. width: factor on all channels (1.0: VGG-16's).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.channels = tuple(scaled(channels, width) for channels in CHANNELS)
        self.features = nn.Sequential(*stage(3, self.channels[0], CONVOLUTIONS[0]))
        for before, channels, count in zip(self.channels, self.channels[1:], CONVOLUTIONS[1:], strict=False):
            self.features.append(nn.MaxPool2d(2))
            self.features.extend(stage(before, channels, count))

    def forward(self, x: Tensor) -> list[Tensor]:
        """x: [B,3,H,W] with sides divisible by 16; returns the five maps, finest first."""
        maps = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                maps.append(x)
            x = layer(x)
        return [*maps, x]


def stage(channels: int, out_channels: int, count: int) -> list[nn.Module]:
    """``count`` 3x3 convolutions, each followed by a ReLU."""
    layers: list[nn.Module] = []
    for index in range(count):
        layers += [nn.Conv2d(channels if index == 0 else out_channels, out_channels, 3, padding=1)]
        layers += [nn.ReLU(inplace=True)]
    return layers


def load_pretrained(encoder: VGGEncoder, pretrained: str) -> None:
    """Load "imagenet" weights or those of a file (torchvision's or timm's VGG-16) into ``encoder``.

    "none" leaves it as it is. Raises ArgumentError where there are no such weights or they do not fit.
    """
    if pretrained != "none":
        state = download() if pretrained == "imagenet" else read_file(pretrained)
        load_features(encoder, state, pretrained)


def download() -> Mapping[str, Tensor]:
    """Let timm fetch VGG-16's ImageNet weights. Raises ArgumentError with the ways out when that fails."""
    try:
        return timm.create_model("vgg16", pretrained=True).state_dict()
    except Exception as error:  # hub clients raise many unrelated types when offline
        raise ArgumentError(
            f"no ImageNet weights for vgg16 ({type(error).__name__} while downloading): set pretrained to "
            "a local weight file (torchvision or timm names) or to 'none'"
        ) from error
