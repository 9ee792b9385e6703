"""The joint model of Kondo & Ukita (IEEE TIM 73, 2024): restore, normalise, segment."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import UserError
from contracts.records import JointOutput, Restored, Segmented
from models.handover import FeatureHandover
from models.normalisation import build_normalisation


class JointModel(nn.Module):
    """A super-resolution network and a segmentation network in a chain, trained end to end.

    sr: a network of models.sr; seg: one of models.seg; scale: the enlargement, checked against ``sr``;
    normalise: what is done to the restored image before segmentation, "instance" (each image and
    channel to mean 0 and variance 1), "local" (the same in a window around each pixel), "fixed" (fixed mean
    and deviation) or "none"; window: side of that window in HR pixels, best that of the training crops;
    clip: clip the restored image to [0,1] outside training, as the paper does;
    handover: also hand the SR network's features to the segmentation.
    Raises UserError for another scale than that of ``sr``, for a handover without features, and for a
    segmentation network with ``needs_kernel`` behind an SR network that estimates no kernel.
    """

    shares_input = False  # segments what it restores

    def __init__(
        self, sr: nn.Module, seg: nn.Module, scale: int = 4, normalise: str = "instance", clip: bool = True,
        handover: bool = False, window: int = 224,
    ) -> None:
        super().__init__()
        if sr.scale != scale:
            raise UserError(f"the SR network enlarges by {sr.scale}, the joint model expects scale {scale}")
        if getattr(seg, "needs_kernel", False) and not hasattr(sr, "kernel_parameters"):
            raise UserError("network_seg needs the blur kernel, which this SR network does not estimate; use kbpn")
        self.sr, self.seg = sr, seg
        self.scale, self.clip = scale, clip
        self.normalise = build_normalisation(normalise, window)
        self.handover = FeatureHandover(sr.feature_channels) if handover else None

    @property
    def stride(self) -> int:
        """What tiles of a photograph start at multiples of, so that strided layers answer alike."""
        return getattr(self.seg, "stride", self.seg.multiple)

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """Restore and segment ``lr`` [B,3,h,w] in [0,1], with the true ``kernel`` [B,1,k,k] if given.

        Returns the image that was segmented (sr [B,3,H,W]; clipped outside training), the kernel, the
        logits [B,1,H,W] and auxiliary logits.
        """
        restored = self.restore(lr, kernel)
        segmented = self.segment(restored.sr, restored.kernel, restored.features)
        return JointOutput(restored.sr, restored.kernel, segmented.logits, segmented.aux)

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve ``lr``; the image is clipped to [0,1] outside training if ``clip``."""
        restored = self.sr(lr, kernel)
        if self.clip and not self.training:
            return replace(restored, sr=restored.sr.clamp(0, 1))
        return restored

    def segment(
        self, image: Tensor, kernel: Tensor | None = None, features: tuple[Tensor, ...] | None = None
    ) -> Segmented:
        """Segment an RGB ``image`` [B,3,H,W] of any size: normalise, pad to ``seg.multiple``, crop back.

        kernel: handed to segmentation networks that use it; features: those of the SR network for the
        handover; without them (a sharp photograph, say) or without handover the image alone is used.
        """
        normalised = self.normalise(image)
        handed = features if self.handover is not None else None
        if handed is not None:
            normalised = normalised + self.handover.to_image(handed)
        segmented = self.segment_padded(normalised, kernel)
        if handed is not None:
            segmented = replace(segmented, logits=segmented.logits + self.handover.to_logits(handed))
        return segmented

    def segment_padded(self, normalised: Tensor, kernel: Tensor | None) -> Segmented:
        """Segment with borders replicated up to the network's multiple, and crop the outputs back."""
        height, width = normalised.shape[2:]
        below, right = -height % self.seg.multiple, -width % self.seg.multiple
        if not below and not right:
            return self.seg(normalised, kernel)
        segmented = self.seg(F.pad(normalised, (0, right, 0, below), mode="replicate"), kernel)
        aux = tuple(one[:, :, :height, :width] for one in segmented.aux)
        return Segmented(segmented.logits[:, :, :height, :width], aux)
