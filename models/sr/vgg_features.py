"""ImageNet's VGG-16 (Simonyan & Zisserman, ICLR 2015) as the start of KBPN's feature extractor."""

from __future__ import annotations

from torch import nn

from contracts.errors import ArgumentError
from models.encoders.timm_encoders import load_features, read_file
from models.encoders.vgg import download

OF_VGG = {0: 0, 2: 2, 4: 5, 6: 7}  # the extractor's convolutions -> torchvision's numbers: there is no pooling here
WIDTH = 128


def load_vgg_features(extractor: nn.Sequential, pretrained: str) -> None:
    """Load VGG-16's first four convolutions, "imagenet" or from a file (torchvision's or timm's), into ``extractor``.

    "none" leaves it as it is. Raises ArgumentError without such weights, or for an extractor of another width.
    """
    if pretrained == "none":
        return
    width = extractor[6].out_channels
    if width != WIDTH:
        raise ArgumentError(f"pretrained: {pretrained} needs KBPN with width {WIDTH}, as VGG-16 has, not {width}")
    state = download() if pretrained == "imagenet" else read_file(pretrained)
    places = [
        (f"{ours}.{part}", f"features.{theirs}.{part}")
        for ours, theirs in OF_VGG.items()
        for part in ("weight", "bias")
    ]
    load_features(extractor, {ours: state[theirs] for ours, theirs in places if theirs in state}, pretrained)
