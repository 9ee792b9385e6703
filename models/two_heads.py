"""One network at low resolution with two heads: the restored image and the mask, both by pixel shuffle.

It sees a sixteenth of the pixels that a network on enlargements by 4 sees (a quarter, at twice the LR size), so that
width and training steps can be spent elsewhere. Restoration is an auxiliary task, as in multi-task learning with a
shared encoder (Caruana, Machine Learning 28, 1997); unlike DSRL's decoders, both heads keep the finest features.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from contracts.records import JointOutput, Restored, Segmented
from models.base import ParallelModel
from models.encoders.timm_encoders import build_encoder
from models.layers import conv_bn_relu, mirror_to_multiple
from models.normalisation import FixedNormalisation
from models.seg.fpn import LEVELS
from models.seg.half_pyramid import smoothed_sum
from models.sr.bicubic import bicubic_enlargement

GRID = 32  # of the encoder's coarsest level


class Trunk(nn.Module):
    """Encoder features summed from coarse to fine with a convolution at each level, then shuffled to the input's size.

    Args:
        encoder: see ``models.encoders.timm_encoders``.
        width: channels of the pyramid.
        pretrained: "none", "imagenet" or a weight file.
        detail: channels at the input's size, half of those that come out.
    """

    def __init__(self, encoder: str, width: int, pretrained: str, detail: int) -> None:
        super().__init__()
        self.normalise = FixedNormalisation()
        self.encoder = build_encoder(encoder, LEVELS, dilated=False, pretrained=pretrained)
        channels = self.encoder.feature_info.channels()
        self.lateral = nn.ModuleList(nn.Conv2d(level_channels, width, 1) for level_channels in channels)
        self.smooth = nn.ModuleList(conv_bn_relu(width, width) for _ in channels)
        self.reduce = nn.Conv2d(width, 4 * detail, 1)
        self.look_closely = nn.Sequential(conv_bn_relu(3, detail), conv_bn_relu(detail, detail))

    def forward(self, image: Tensor) -> Tensor:
        """Features [B,2*detail,h,w] of an image [B,3,h,w] in [0,1], of any size."""
        height, width = image.shape[2:]
        x = self.normalise(mirror_to_multiple(image, GRID))
        projected = [project(feature) for project, feature in zip(self.lateral, self.encoder(x), strict=True)]
        fine = F.relu(F.pixel_shuffle(self.reduce(smoothed_sum(projected, self.smooth)), 2))
        return torch.cat([fine, self.look_closely(x)], 1)[:, :, :height, :width]


class TwoHeads(ParallelModel):
    """A shared trunk on the LR image or its x2 enlargement, and a head each for the image and the mask.

    With ``loss.beta: 1`` it is a segmentation network on the LR image with learned upsampling. A photograph to be
    segmented at its own size is averaged down by what the mask's head brings it up again.

    Args:
        scale: enlargement of both outputs.
        encoder: see ``models.encoders.timm_encoders``.
        width: channels of the pyramid.
        pretrained: "none", "imagenet" or a weight file.
        detail: channels at the size looked at, half of those that the heads see.
        enlarge: bicubic enlargement of the LR image before the trunk, 1 or 2.
        depth: convolutions of the image's head before the last.
        clip: clip the restored image to [0,1] outside training.

    Raises:
        ArgumentError: for sizes below 1, another enlargement, or one that does not divide the scale.
    """

    def __init__(
        self,
        scale: int = 4,
        encoder: str = "tf_efficientnet_lite0",
        width: int = 96,
        pretrained: str = "none",
        detail: int = 32,
        enlarge: int = 2,
        depth: int = 2,
        clip: bool = True,
    ) -> None:
        super().__init__()
        if min(width, detail, depth) < 1:
            raise ArgumentError(f"width {width}, detail {detail} and depth {depth} must be at least 1")
        if enlarge not in (1, 2) or scale % enlarge:
            raise ArgumentError(f"enlarge {enlarge}: give 1, or 2 where the scale ({scale}) is even")
        self.scale, self.enlarge, self.clip = scale, enlarge, clip
        self.rest = scale // enlarge  # what the heads bring up
        self.stride = GRID // enlarge
        self.trunk = Trunk(encoder, width, pretrained, detail)
        layers = [conv_bn_relu(2 * detail, 2 * detail) for _ in range(depth)]
        self.sr = nn.Sequential(*layers, nn.Conv2d(2 * detail, 3 * self.rest**2, 3, padding=1))
        self.seg = nn.Sequential(
            conv_bn_relu(2 * detail, 2 * detail), nn.Conv2d(2 * detail, self.rest**2, 3, padding=1)
        )
        last = self.sr[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)  # restoration starts from the bicubic enlargement
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def shared_parameters(self) -> Iterable[nn.Parameter]:
        """Those of the trunk."""
        return self.trunk.parameters()

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """Restore and segment a low-resolution image.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: ignored.

        Returns:
            sr [B,3,H,W] (clipped outside training), no kernel, logits [B,1,H,W].
        """
        features = self._features(lr)
        return JointOutput(self._image(lr, features), None, self._logits(features))

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve a low-resolution image, without the mask's head.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: ignored.
        """
        return Restored(self._image(lr, self._features(lr)))

    def segment(
        self, image: Tensor, kernel: Tensor | None = None, features: tuple[Tensor, ...] | None = None
    ) -> Segmented:
        """Segment an image at its own size (``forward``: at ``scale`` times it).

        Args:
            image: RGB [B,3,H,W] in [0,1], of any size.
            kernel: ignored.
            features: ignored.
        """
        height, width = image.shape[2:]
        reduced = F.avg_pool2d(mirror_to_multiple(image, self.rest), self.rest)
        return Segmented(self._logits(self.trunk(reduced))[:, :, :height, :width])

    def _features(self, lr: Tensor) -> Tensor:
        return self.trunk(bicubic_enlargement(lr, self.enlarge) if self.enlarge > 1 else lr)

    def _image(self, lr: Tensor, features: Tensor) -> Tensor:
        """[B,3,H,W] in the type of ``lr``."""
        residual = F.pixel_shuffle(self.sr(features), self.rest)
        sr = bicubic_enlargement(lr, self.scale) + residual.to(lr.dtype)
        return sr.clamp(0, 1) if self.clip and not self.training else sr

    def _logits(self, features: Tensor) -> Tensor:
        """[B,1,H,W] in float32 or better."""
        return F.pixel_shuffle(at_least_float32(self.seg(features)), self.rest)
