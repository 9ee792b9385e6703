"""Dual super-resolution learning (Wang et al., CVPR 2020) for cracks, as Kondo & Ukita compare with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import JointOutput, Restored, Segmented
from models.base import ParallelModel
from models.dsrl.branches import SegmentationBranch, SuperResolutionBranch
from models.dsrl.encoder import SharedEncoder
from models.layers import pad_to_multiple, scaled_width, upsample_aligned
from models.probability import logits_of

CONTEXT, NARROW, WIDE, LAST = 256, 48, 256, 128
STEPS = {3: (64, 64, 32, 16), 4: (64, 64, 64, 32, 16)}  # channels before and after each x2 step


@dataclass(frozen=True)
class DualOutput:
    """What the network itself gives for [B,3,h,w], before the upsampling to the asked-for scale s.

    With n = 2 (three up steps) or 4 (four):

    Args:
        both: probabilities [B,2,nh,nw] of crack and of no crack, in float32 or better.
        sr: [B,3,nh,nw], unclipped, which also stands for the SR features of the affinity loss.
        features: [B,3,nh,nw], those of the segmentation.
    """

    both: Tensor
    sr: Tensor
    features: Tensor


class DSRL(ParallelModel):
    """One network that restores and segments a low-resolution image; used like ``models.joint.JointModel``.

    Two branches share an encoder and look at the same input: the segmentation does not see the restored image, and no
    blur kernel is estimated. Modules: ``encoder``, ``sr`` and ``seg``.

    Args:
        scale: enlargement of both outputs.
        encoder: a ResNet of ``models.dsrl.encoder``.
        pretrained: weights of the encoder, "none", "imagenet" or a file.
        up_steps: 3 (released: outputs x2, then bilinear to ``scale``) or 4 (outputs x4).
        clip: clip the restored image to [0,1] outside training.
        width: factor on the channels after the encoder (1.0: the paper's network, 60.5 million parameters with
            ResNet-101).
        dropout: rate after the pyramid and the first layer of each decoder.
        last_dropout: rate after the second layer of each decoder.

    Raises:
        ArgumentError: for other up_steps, a scale below what they give, a width that is not positive.
    """

    multiple = 4  # of the sides that ``outputs`` takes
    stride = 16  # of the encoder
    sr: SuperResolutionBranch
    seg: SegmentationBranch

    def __init__(
        self,
        scale: int = 4,
        encoder: str = "resnet101",
        pretrained: str = "none",
        up_steps: int = 3,
        clip: bool = True,
        width: float = 1.0,
        dropout: float = 0.5,
        last_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        _check(scale, up_steps, width)
        context, narrow, wide, last = (scaled_width(channels, width) for channels in (CONTEXT, NARROW, WIDE, LAST))
        steps = [scaled_width(channels, width) for channels in STEPS[up_steps]]
        rates = (dropout, last_dropout)
        self.scale, self.clip, self.native = scale, clip, native_scale(up_steps)
        self.encoder = SharedEncoder(encoder, pretrained, context, dropout)
        self.sr = SuperResolutionBranch(self.encoder.channels, narrow, wide, last, steps, rates)
        self.seg = SegmentationBranch(self.encoder.channels, narrow, wide, rates)

    def shared_parameters(self) -> Iterable[nn.Parameter]:
        """Those of the encoder."""
        return self.encoder.parameters()

    def outputs(self, x: Tensor) -> DualOutput:
        """The network's own outputs for [B,3,h,w] with sides divisible by 4."""
        shared = self.encoder(x)
        both = upsample_aligned(self.seg(*shared, x.shape[2:]), [side * self.native for side in x.shape[2:]])
        return DualOutput(both, self.sr(*shared).to(x.dtype), self.seg.features(both[:, :1]))

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> JointOutput:
        """Restore and segment a low-resolution image.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: ignored.

        Returns:
            sr [B,3,H,W] (clipped outside training), no kernel, logits [B,1,H,W] of the interpolated probabilities, and
            the pair of features that the affinity loss compares.
        """
        outputs = self.outputs(pad_to_multiple(lr, self.multiple))
        logits = logits_of(self._to_scale(outputs.both, lr))
        return JointOutput(self._finish(outputs.sr, lr), None, logits, features=(outputs.features, outputs.sr))

    def restore(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Super-resolve a low-resolution image by the restoring branch alone.

        Args:
            lr: image [B,3,h,w] in [0,1].
            kernel: ignored.
        """
        sr = self.sr(*self.encoder(pad_to_multiple(lr, self.multiple)))
        return Restored(self._finish(sr.to(lr.dtype), lr))

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
        padded = pad_to_multiple(image, self.multiple)
        both = self.seg(*self.encoder(padded), padded.shape[2:])
        return Segmented(logits_of(both[:, :, :height, :width]))

    def _to_scale(self, x: Tensor, lr: Tensor) -> Tensor:
        """Enlarge an output of the (padded) network to ``scale`` and cut it to what belongs to ``lr``."""
        if self.scale != self.native:
            x = upsample_aligned(x, [side // self.native * self.scale for side in x.shape[2:]])
        height, width = (side * self.scale for side in lr.shape[2:])
        return x[:, :, :height, :width]

    def _finish(self, sr: Tensor, lr: Tensor) -> Tensor:
        """The restored image at ``scale``, clipped outside training if ``clip``."""
        sr = self._to_scale(sr, lr)
        return sr.clamp(0, 1) if self.clip and not self.training else sr


def native_scale(up_steps: int) -> int:
    """Enlargement by the network itself, whose decoders end at stride 4."""
    return 2 ** (up_steps - 2)


def _check(scale: int, up_steps: int, width: float) -> None:
    """Raise ArgumentError for arguments that make no network."""
    if up_steps not in STEPS:
        raise ArgumentError(f"up_steps {up_steps} must be 3 (the released network) or 4 (x4 without interpolation)")
    if scale < native_scale(up_steps):
        raise ArgumentError(f"{up_steps} up_steps enlarge by {native_scale(up_steps)}, more than scale {scale}")
    if width <= 0:
        raise ArgumentError(f"width {width} must be positive (1.0 is the paper's network)")
