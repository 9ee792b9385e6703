"""The convolutions of VGG-16 (Simonyan & Zisserman, ICLR 2015) as five feature maps, from fine to coarse.

timm's VGG-16 has the same layers, but builds its 120 million classifier weights first and has one width.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from contracts.errors import ArgumentError
from models.encoders.timm_encoders import download, load_features, read_file
from models.layers import conv_relu, scaled_width

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)
FIRST_LAYERS = {0: 0, 2: 2, 4: 5, 6: 7}  # numbers without pooling -> torchvision's


class VGGEncoder(nn.Module):
    """Image [B,3,H,W] -> the ReLU outputs before each pooling, at strides 1, 2, 4, 8, 16.

    ``channels`` names their numbers of channels. The layers stand in ``features`` under torchvision's numbers; there is
    no fifth pooling and no batch norm.

    Args:
        width: factor on all channels (1.0: VGG-16's).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.channels = tuple(scaled_width(channels, width) for channels in CHANNELS)
        self.features = nn.Sequential(*convolutions(3, self.channels[0], CONVOLUTIONS[0]))
        for before, channels, count in zip(self.channels, self.channels[1:], CONVOLUTIONS[1:], strict=False):
            self.features.append(nn.MaxPool2d(2))
            self.features.extend(convolutions(before, channels, count))

    def forward(self, x: Tensor) -> list[Tensor]:
        """x: [B,3,H,W] with sides divisible by 16; returns the five maps, finest first."""
        maps = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                maps.append(x)
            x = layer(x)
        return [*maps, x]


def convolutions(channels: int, out_channels: int, count: int) -> list[nn.Module]:
    """3x3 convolutions, each followed by a ReLU.

    Args:
        channels: of the input.
        out_channels: of each convolution.
        count: number of convolutions.
    """
    inputs = [channels] + [out_channels] * (count - 1)
    return [layer for before in inputs for layer in conv_relu(before, out_channels)]


def read_vgg16(pretrained: str) -> Mapping[str, Tensor]:
    """VGG-16's weights: "imagenet", or a file of torchvision's or timm's. Raises ArgumentError without them."""
    if pretrained == "imagenet":
        return download("vgg16", "or to 'none'").state_dict()
    return read_file(pretrained)


def load_pretrained(encoder: VGGEncoder, pretrained: str) -> None:
    """Load weights into an encoder.

    Args:
        encoder: of VGG-16's width, unless ``pretrained`` is "none".
        pretrained: "imagenet", a file of torchvision's or timm's VGG-16, or "none", which leaves the encoder as it is.

    Raises:
        ArgumentError: where there are no such weights or they do not fit.
    """
    if pretrained != "none":
        load_features(encoder, read_vgg16(pretrained), pretrained)


def load_first_layers(extractor: nn.Sequential, pretrained: str) -> None:
    """Load VGG-16's first four convolutions into KBPN's feature extractor, which has them without pooling.

    Args:
        extractor: of width 128, unless ``pretrained`` is "none".
        pretrained: as of ``load_pretrained``.

    Raises:
        ArgumentError: where there are no such weights, or for an extractor of another width.
    """
    if pretrained == "none":
        return
    width = extractor[6].out_channels
    if width != CHANNELS[1]:
        raise ArgumentError(f"pretrained: {pretrained} needs KBPN with width {CHANNELS[1]}, as VGG-16 has, not {width}")
    theirs = read_vgg16(pretrained)
    names = {
        f"{layer}.{tensor}": f"features.{number}.{tensor}"
        for layer, number in FIRST_LAYERS.items()
        for tensor in ("weight", "bias")
    }
    load_features(extractor, {ours: theirs[name] for ours, name in names.items() if name in theirs}, pretrained)
