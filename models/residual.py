"""Residual on the rival: segment the bicubic enlargement, and add what restoration knows where it helps.

The segmentation network sees what one trained on enlargements alone sees. The restored image less the enlargement and
the SR network's last maps join its features through convolutions that start at zero (as in ControlNet, Zhang et al.,
ICCV 2023): such a model starts out equal to the network it is compared with, so that whatever it gains is due to
restoration.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import Restored, Segmented
from models.base import Maps, Segmentation, Statistics, SuperResolution
from models.joint import JointModel
from models.layers import pad_to_multiple, upsample_to
from models.sr.bicubic import bicubic_enlargement

HIDDEN = 16  # channels on the way to stride 4


class Injection(nn.Module):
    """Maps at full size to what is added to features at full size and at strides 2 and 4; all zero at first.

    Args:
        channels: of the maps.
        full: channels of the features at full size, 0 where there are none.
        finest: channels of the features at strides 2 and 4.
    """

    def __init__(self, channels: int, full: int, finest: tuple[int, int]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.at_full = nn.Conv2d(channels, full, 3, padding=1) if full else None
        self.at_stride2 = nn.Conv2d(channels, finest[0], 3, stride=2, padding=1)
        self.reduce = nn.Sequential(nn.Conv2d(channels, HIDDEN, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.at_stride4 = nn.Conv2d(HIDDEN, finest[1], 3, stride=2, padding=1)
        for layer in (self.at_full, self.at_stride2, self.at_stride4):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, beside: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """What is added at full size (or None) and at strides 2 and 4, from ``beside`` [B,C,H,W]."""
        x = self.norm(beside)
        return None if self.at_full is None else self.at_full(x), self.at_stride2(x), self.at_stride4(self.reduce(x))


class ResidualModel(JointModel):
    """A joint model whose segmentation network looks at the bicubic enlargement, with restoration beside it.

    A sharp photograph is segmented as it is, with nothing beside it.

    Args:
        sr: a network of ``models.sr``; its ``latent``, if it has one, is handed over, too.
        seg: a segmentation network with ``injected``, such as ``fpn``.
        hidden: channels that the latent maps are projected to before they are enlarged.
        arguments: those of ``JointModel``, without a handover.

    Raises:
        ArgumentError: for a segmentation network without ``injected``, and what ``JointModel`` raises.
    """

    def __init__(self, sr: SuperResolution, seg: Segmentation, hidden: int = 8, **arguments: object) -> None:
        super().__init__(sr, seg, **arguments)  # type: ignore[arg-type]
        if self.handover is not None:
            raise ArgumentError("connection residual hands the SR network's maps over by itself; set handover to false")
        if seg.injected is None:
            raise ArgumentError(f"connection residual: {type(seg).__name__} takes nothing beside the image; fpn does")
        self.project = None if sr.latent_channels is None else nn.Conv2d(sr.latent_channels, hidden, 1)
        self.injection = Injection(3 + (0 if self.project is None else hidden), *seg.injected)

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve a low-resolution image; ``features``: its enlargement [B,3,H,W] and latent maps [B,C,h,w].

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: true blur kernel [B,1,k,k], if it is known.
        """
        restored = super().restore(lr, kernel)
        enlarged = bicubic_enlargement(lr, self.scale)
        if self.clip and not self.training:
            enlarged = enlarged.clamp(0, 1)
        latent = () if restored.latent is None else (restored.latent,)
        return replace(restored, features=(enlarged, *latent))

    def _handed_over(self, image: Tensor, features: tuple[Tensor, ...] | None) -> Maps:
        if features is None:
            return Maps(image)
        restored, (enlarged, *latent) = image, features
        if self.stop_gradient:
            restored, latent = restored.detach(), [maps.detach() for maps in latent]
        beside = [restored - enlarged]
        if self.project is not None:
            beside.append(upsample_to(self.project(latent[0]), enlarged))
        return Maps(image, enlarged=enlarged, beside=torch.cat(beside, 1))

    def segment_maps(self, maps: Maps, kernel: Tensor | None = None, statistics: Statistics | None = None) -> Segmented:
        """See ``WholeModel``."""
        if maps.beside is None:
            return super().segment_maps(maps, kernel, statistics)
        prepared = pad_to_multiple(self.normalise(maps.looked_at, statistics), self.seg.multiple)
        added = self.injection(pad_to_multiple(maps.beside, self.seg.multiple))
        height, width = maps.image.shape[2:]
        segmented = self.seg(prepared, kernel, added)
        aux = tuple(side[:, :, :height, :width] for side in segmented.aux)
        return replace(segmented, logits=segmented.logits[:, :, :height, :width], aux=aux)

    def named_tensors(self, lr: Tensor) -> dict[str, Tensor]:
        """Raise ArgumentError: a graph of this connection has no way to be cut into tiles yet."""
        raise ArgumentError("connection residual cannot be exported to ONNX; predict with its weights instead")
