"""The joint model of Kondo & Ukita (IEEE TIM 73, 2024): restore, normalise, segment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import JointOutput, Restored, Segmented
from models.base import Maps, Segmentation, Statistics, SuperResolution, WholeModel
from models.handover import FeatureHandover, Handover
from models.layers import pad_to_multiple
from models.normalisation import build_normalisation, describe


class JointModel(WholeModel):
    """A super-resolution network and a segmentation network in a chain, trained end to end.

    Args:
        sr: a network of ``models.sr``.
        seg: a network of ``models.seg``.
        scale: enlargement, checked against ``sr``.
        normalise: what is done to the restored image before segmentation: "instance" (each image and channel to mean 0
            and variance 1), "local" (the same in a window around each pixel), "fixed" (fixed mean and deviation) or
            "none".
        clip: clip the restored image to [0,1] outside training, as the paper does.
        handover: also hand the SR network's features to the segmentation.
        window: side of the window of "local" in HR pixels, best that of the training crops.
        stop_gradient: keep the gradient of the segmentation from the SR network, so that what both learn together is
            told apart from what the segmentation learns of restored images.

    Raises:
        TypeError: for networks of other bases.
        UserError: for another scale than that of ``sr``, for a handover without features, and for a segmentation
            network with ``needs_kernel`` behind an SR network without a kernel.
    """

    sr: SuperResolution
    seg: Segmentation

    def __init__(
        self,
        sr: SuperResolution,
        seg: Segmentation,
        scale: int = 4,
        normalise: str = "instance",
        clip: bool = True,
        handover: bool = False,
        window: int = 224,
        stop_gradient: bool = False,
    ) -> None:
        super().__init__()
        for network, base in ((sr, SuperResolution), (seg, Segmentation)):
            if not isinstance(network, base):
                raise TypeError(f"{type(network).__name__}: derive the network from models.base.{base.__name__}")
        if sr.scale != scale:
            raise ArgumentError(f"the SR network enlarges by {sr.scale}, the joint model expects scale {scale}")
        if seg.needs_kernel and not sr.estimates_kernel:
            raise ArgumentError("seg needs the blur kernel, which this SR network does not estimate; kbpn does")
        self.sr, self.seg = sr, seg
        self.scale, self.clip, self.stop_gradient = scale, clip, stop_gradient
        self.normalise = build_normalisation(normalise, window)
        self.handover: Handover | None = FeatureHandover(sr.feature_channels) if handover else None

    @property
    def stride(self) -> int:  # type: ignore[override]
        """That of the segmentation network."""
        return self.seg.stride

    @property
    def needs_kernel(self) -> bool:  # type: ignore[override]
        """Whether the segmentation network does."""
        return self.seg.needs_kernel

    @property
    def skip_path(self) -> nn.Module | None:
        """That of the segmentation network."""
        return self.seg.skip_path

    def kernel_parameters(self) -> Iterable[nn.Parameter]:
        """Those of the SR network."""
        return self.sr.kernel_parameters()

    def frozen_parameters(self) -> Iterable[nn.Parameter]:
        """Those of the segmentation network."""
        return self.seg.frozen_parameters()

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """Restore and segment a low-resolution image.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: true blur kernel [B,1,k,k], if it is known.

        Returns:
            The image that was segmented (sr [B,3,H,W]; clipped outside training), the kernel, the logits [B,1,H,W],
            auxiliary logits and the blur that the segmentation network estimates.
        """
        restored = self.restore(lr, kernel)
        segmented = self.segment(restored.sr, restored.kernel, restored.features)
        blur, encoded = segmented.blur, segmented.encoded
        return JointOutput(restored.sr, restored.kernel, segmented.logits, segmented.aux, blur=blur, encoded=encoded)

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve a low-resolution image; the result is clipped to [0,1] outside training if ``clip``.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: true blur kernel [B,1,k,k], if it is known.
        """
        restored = self.sr(lr, kernel)
        if self.clip and not self.training:
            return replace(restored, sr=restored.sr.clamp(0, 1))
        return restored

    def segment(
        self, image: Tensor, kernel: Tensor | None = None, features: tuple[Tensor, ...] | None = None
    ) -> Segmented:
        """Segment an image of any size: normalise, pad to ``seg.multiple``, crop back.

        Args:
            image: RGB [B,3,H,W] in [0,1].
            kernel: blur kernel [B,1,k,k], handed to segmentation networks that use it.
            features: those of the SR network for the handover; without them (a sharp photograph, say) or without
                handover the image alone is used.
        """
        return self.segment_maps(self._handed_over(image, features), kernel)

    def _handed_over(self, image: Tensor, features: tuple[Tensor, ...] | None) -> Maps:
        """The maps to segment: the image, and what a handover makes of the SR network's features."""
        if self.stop_gradient:
            image = image.detach()
            features = None if features is None else tuple(feature.detach() for feature in features)
        if self.handover is None or features is None:
            return Maps(image)
        return Maps(image, self.handover.to_image(features), self.handover.to_logits(features))

    def restore_maps(self, lr: Tensor) -> tuple[Maps, Tensor | None]:
        """See ``WholeModel``."""
        restored = self.restore(lr)
        return self._handed_over(restored.sr, restored.features), restored.kernel

    def statistics(self, image: Tensor) -> Statistics | None:
        """Those of the normalisation."""
        return self.normalise.statistics(image)

    def segment_maps(self, maps: Maps, kernel: Tensor | None = None, statistics: Statistics | None = None) -> Segmented:
        """See ``WholeModel``."""
        segmented = self._segment_padded(self._prepared(maps, statistics), kernel)
        if maps.logits_offset is None:
            return segmented
        return replace(segmented, logits=segmented.logits + maps.logits_offset)

    def _prepared(self, maps: Maps, statistics: Statistics | None = None) -> Tensor:
        """What the segmentation network looks at, [B,3,H,W]."""
        normalised = self.normalise(maps.image, statistics)
        return normalised if maps.image_offset is None else normalised + maps.image_offset

    def _segment_padded(self, prepared: Tensor, kernel: Tensor | None) -> Segmented:
        """Segment with borders replicated up to the network's multiple, and crop the outputs back."""
        padded = pad_to_multiple(prepared, self.seg.multiple)
        segmented = self.seg(padded, kernel)
        if padded is prepared:
            return segmented
        height, width = prepared.shape[2:]
        logits, *aux = (output[:, :, :height, :width] for output in (segmented.logits, *segmented.aux))
        return replace(segmented, logits=logits, aux=tuple(aux))

    def task_features(self, image: Tensor) -> list[Tensor]:
        """See ``WholeModel``; an image alone, without what a handover would add."""
        return self.seg.task_features(pad_to_multiple(self._prepared(Maps(image)), self.seg.multiple))

    def described(self) -> dict[str, str]:
        """Its normalisation, which is done outside the graph where an image is segmented in tiles."""
        return describe(self.normalise)

    def named_tensors(self, lr: Tensor) -> dict[str, Tensor]:
        """The tensors by name, H and W being ``scale`` times h and w.

        Returns:
            Always restored [1,3,H,W] and logits, probability [1,1,H,W]; kernel [1,1,k,k] if it is estimated; to_segment
            [1,3,H,W], what the segmentation network looks at, if that is not the restored image; with a handover also
            handed_image [1,3,H,W] and handed_logits [1,1,H,W], the offsets, and segmented [1,1,H,W], the logits without
            theirs.
        """
        maps, kernel = self.restore_maps(lr)
        prepared = self._prepared(maps)
        segmented = self._segment_padded(prepared, kernel).logits
        logits = segmented if maps.logits_offset is None else segmented + maps.logits_offset
        tensors = {
            "restored": maps.image,
            "kernel": kernel,
            "handed_image": maps.image_offset,
            "handed_logits": maps.logits_offset,
            "to_segment": None if prepared is maps.image else prepared,
            "segmented": None if maps.logits_offset is None else segmented,
            "logits": logits,
            "probability": logits.sigmoid(),
        }
        return {name: value for name, value in tensors.items() if value is not None}
