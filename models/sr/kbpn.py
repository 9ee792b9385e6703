"""KBPN, the Kernelized Back-Projection Network: blind super-resolution that estimates the blur kernel.

T. Yoshida, Y. Kondo, T. Maeda, K. Akita, N. Ukita, "Kernelized Back-Projection Networks for Blind
Super Resolution", arXiv 2302.08478, as used by Kondo & Ukita, IEEE TIM 73, 2024. The defaults are the
released configuration (61.2 M parameters). Kept for compatibility with its weights: intermediate
images are residuals without the bicubic enlargement, and the pseudo-LR image samples the top-left
pixel of each scale x scale cell although the real degradation is centred.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from contracts.errors import ArgumentError
from contracts.records import Restored
from models.base import SuperResolution
from models.checkpointing import checkpointed
from models.encoders.vgg import convolutions, load_first_layers
from models.layers import convolve_concatenated, initialise
from models.sr.bicubic import bicubic_enlargement, check_sides
from models.sr.kernel_estimation import KernelCorrector, KernelPredictor, normalise_kernel
from models.sr.modulation import KernelModulation
from models.sr.projection import DownProjection, UpProjection, check_scale, upsampling
from models.sr.pseudo_lr import pseudo_lr


class BackProjectionStage(nn.Module):
    """One back-projection stage: upsample, correct the kernel, correct the features, downsample, modulate.

    Maps LR features to corrected HR features and, unless it is the last, to the next LR features.

    Args:
        index: number of the stage, from 0.
        last: whether it is the last one.
        scale: as of ``KBPN``, as are the other arguments.
        width: likewise.
        kernel_side: likewise.
        estimated_side: likewise.
        corrector_width: likewise.
        modulation_width: likewise.
    """

    def __init__(
        self,
        index: int,
        last: bool,
        scale: int,
        width: int,
        kernel_side: int,
        estimated_side: int,
        corrector_width: int,
        modulation_width: int | None,
    ) -> None:
        super().__init__()
        done = width * (index + 1)
        self.scale = scale
        self.up = UpProjection(max(1, index) * width, width, scale)
        self.reconstruct = nn.Conv2d(done, 3, 3, padding=1, bias=False)
        self.corrector = KernelCorrector(corrector_width, estimated_side, kernel_side)
        self.enlarge_error = upsampling(3, width, scale)
        self.down = None if last else DownProjection(done, width, scale)
        self.modulation = None if last else KernelModulation(done, kernel_side**2, modulation_width)

    def forward(
        self,
        low: Tensor,
        lr: Tensor,
        kernel: Tensor,
        high: tuple[Tensor, ...],
        low_features: tuple[Tensor, ...],
        blind: bool,
        minimum_sum: float,
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Run the stage.

        Args:
            low: LR features of the stage before, modulated.
            lr: low-resolution image [B,3,h,w].
            kernel: [B,k*k].
            high: HR features of the stages before, each [B,width,H,W].
            low_features: LR features of the stages before, each [B,width,h,w].
            blind: whether to correct the kernel.
            minimum_sum: see ``normalise_kernel``.

        Returns:
            The corrected HR features [B,width,H,W], the kernel [B,k*k] after its correction, the downsampled features
            [B,width,h,w] and the next LR features; of the last stage, these two are None.
        """
        corrected, kernel = self._restore(low, lr, kernel, high, blind, minimum_sum)
        if self.down is None or self.modulation is None:
            return corrected, kernel, None, None
        downsampled = self.down(*high, corrected)
        return corrected, kernel, downsampled, self.modulation(torch.cat([*low_features, downsampled], 1), kernel)

    def _restore(
        self, low: Tensor, lr: Tensor, kernel: Tensor, high: tuple[Tensor, ...], blind: bool, minimum_sum: float
    ) -> tuple[Tensor, Tensor]:
        """Return the corrected HR features [B,width,H,W] and the kernel [B,k*k] after its correction."""
        upsampled = self.up(low)
        residual = convolve_concatenated(self.reconstruct, [*high, upsampled])  # [B,3,H,W]
        if blind:
            kernel = kernel + self.corrector(residual, kernel)
        kernel = normalise_kernel(kernel, minimum_sum)
        error = pseudo_lr(residual, kernel, self.scale) - lr
        return upsampled + self.enlarge_error(error), kernel


class KBPN(SuperResolution):
    """Blind super-resolution by kernelised back-projection.

    Args:
        scale: 2, 4 or 8.
        stages: number M of back-projection stages.
        width: feature channels (even).
        kernel_side: side of the estimated kernel, odd.
        estimated_side: side of the grid that is really predicted and then upsampled.
        corrector_width: channels inside each stage's kernel corrector.
        modulation_width: channels inside the feature modulation (None: the paper's, n*width + k*k; at small widths a
            few dozen save most of the network's cost).
        correction_gain: factor on the initial weights of each corrector's last layer (1: the paper's; 0: corrections
            start at zero, steadier in short training).
        output_gain: the same for the last convolution (0: starts as plain bicubic upsampling).
        minimum_sum: see ``normalise_kernel``.
        pretrained: VGG-16's weights to begin with in the feature extractor, "none", "imagenet" or a file (width 128
            only).
    """

    supports_gradient_checkpointing = True
    estimates_kernel = True
    feature_channels: int

    def __init__(
        self,
        scale: int = 4,
        stages: int = 4,
        width: int = 128,
        kernel_side: int = 21,
        estimated_side: int = 7,
        corrector_width: int = 32,
        modulation_width: int | None = None,
        correction_gain: float = 1.0,
        output_gain: float = 1.0,
        minimum_sum: float = 1e-2,
        pretrained: str = "none",
    ) -> None:
        super().__init__()
        check_scale(scale)
        _check_sizes(stages, width, kernel_side, estimated_side)
        self.scale, self.kernel_side, self.minimum_sum = scale, kernel_side, minimum_sum
        self.feature_channels = stages * width
        self.extractor = feature_extractor(width)
        self.predictor = KernelPredictor(width, estimated_side, kernel_side)
        self.stages = nn.ModuleList(
            BackProjectionStage(
                index, index == stages - 1, scale, width, kernel_side, estimated_side, corrector_width, modulation_width
            )
            for index in range(stages)
        )
        self.output = nn.Conv2d(stages * width, 3, 3, padding=1, bias=False)
        initialise(self)
        load_first_layers(self.extractor, pretrained)
        self._scale_last_layers(correction_gain, output_gain)

    def forward(self, lr: Tensor, kernel: Tensor | None = None) -> Restored:
        """Restore a low-resolution image.

        Args:
            lr: [B,3,h,w], h, w >= 2.
            kernel: true kernel [B,1,k,k]; with it no kernel is estimated.

        Returns:
            sr [B,3,scale*h,scale*w], unclipped; kernel [B,1,k,k] (the given one if given); features, ``stages`` times
            [B,width,H,W].

        Raises:
            ArgumentError: for a smaller image or a kernel of another side.
        """
        check_sides(lr)
        low = self.extractor(lr)
        state = self.predict(low) if kernel is None else self.flatten(kernel)
        high: tuple[Tensor, ...] = ()
        low_features: tuple[Tensor, ...] = ()
        for stage in self.stages:
            corrected, state, downsampled, low = checkpointed(
                self.gradient_checkpointing, stage, low, lr, state, high, low_features, kernel is None, self.minimum_sum
            )
            high, low_features = (*high, corrected), (*low_features, downsampled)
        sr = convolve_concatenated(self.output, high) + bicubic_enlargement(lr, self.scale)
        return Restored(sr.to(lr.dtype), state.reshape(-1, 1, self.kernel_side, self.kernel_side), high)

    def predict(self, features: Tensor) -> Tensor:
        """First kernel [B,k*k] from LR features, divided by its sum."""
        return normalise_kernel(self.predictor(features), self.minimum_sum)

    def flatten(self, kernel: Tensor) -> Tensor:
        """A given kernel [B,1,k,k] as [B,k*k]; raises ArgumentError if its side is not ``kernel_side``."""
        if kernel.shape[1:] != (1, self.kernel_side, self.kernel_side):
            expected = f"[B,1,{self.kernel_side},{self.kernel_side}]"
            raise ArgumentError(f"kernel has shape {list(kernel.shape)}, the network expects {expected}")
        return kernel.flatten(1)

    def each_stage(self) -> Iterator[BackProjectionStage]:
        """The stages in order."""
        for stage in self.stages:
            assert isinstance(stage, BackProjectionStage)
            yield stage

    def kernel_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that only estimate the kernel: the first predictor and every stage's corrector."""
        yield from self.predictor.parameters()
        for stage in self.each_stage():
            yield from stage.corrector.parameters()

    @torch.no_grad()
    def _scale_last_layers(self, correction_gain: float, output_gain: float) -> None:
        """Multiply the initial weights of the output and of every stage's corrector by their gains."""
        self.output.weight.mul_(output_gain)
        for stage in self.each_stage():
            stage.corrector.last.weight.mul_(correction_gain)


def feature_extractor(width: int) -> nn.Sequential:
    """3 -> width at LR size: the first four convolutions of VGG-16 without pooling, at any width."""
    return nn.Sequential(*convolutions(3, width // 2, 2), *convolutions(width // 2, width, 2))


def _check_sizes(stages: int, width: int, kernel_side: int, estimated_side: int) -> None:
    """Raise ArgumentError for sizes of which no network can be made."""
    if stages < 1:
        raise ArgumentError(f"stages {stages} is too small; KBPN needs at least 1")
    if width < 2 or width % 2:
        raise ArgumentError(f"width {width} must be even and at least 2")
    if kernel_side % 2 == 0:
        raise ArgumentError(f"kernel_side {kernel_side} is even; give an odd side such as 21")
    if not 1 <= estimated_side <= kernel_side:
        raise ArgumentError(f"estimated_side {estimated_side} must be between 1 and kernel_side {kernel_side}")
