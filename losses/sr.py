"""Loss of the super-resolution network: image, consistency with the LR input, blur kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from degradations.blur import blur_fft
from degradations.resize import bicubic_downsample
from losses.weights import downsample_weight

REFERENCE_WEIGHTS = (0.4, 0.4, 0.0)  # the released code's list [0.4, 0.4, 0, 2]: a comma for a point


@dataclass(frozen=True)
class SRLoss:
    """Per-sample values [B]: the weighted total, and the unweighted terms by name."""

    total: Tensor
    terms: dict[str, Tensor]


class KBPNLoss:
    """``w0 mean|sr - hr| + w1 mean|down(k * sr) - lr| + w2 kernel term``, per sample.

    The kernel term is the sum over the taps of (k - k_true)^2. The reference takes their mean, about
    1e-6, and by a slip weights it with 0: ``KBPNLoss(REFERENCE_WEIGHTS, "zero", "mean")``. Without an
    estimated kernel (other SR networks) the loss is mean|sr - hr|. Kondo & Ukita, 2024.
    """

    def __init__(
        self, weights: Sequence[float] = (0.4, 0.4, 0.2), border: str = "reflect", kernel_term: str = "sum"
    ) -> None:
        """Choose the weights of the terms.

        Args:
            weights: of the image, LR and kernel terms; finite, not negative and not all 0.
            border: of the blur, "reflect" or "zero".
            kernel_term: over the taps, "sum" or "mean".

        Raises:
            ArgumentError: for other weights, borders or kernel terms.
        """
        self.weights = tuple(float(weight) for weight in weights)
        valid = all(math.isfinite(weight) and weight >= 0 for weight in self.weights)
        if len(self.weights) != 3 or not valid or not any(self.weights):
            raise ArgumentError(
                f"the SR loss takes 3 finite weights (image, LR, kernel), none negative; received {weights}"
            )
        if border not in ("reflect", "zero"):
            raise ArgumentError(f"the SR loss's border must be 'reflect' or 'zero'; received {border!r}")
        if kernel_term not in ("sum", "mean"):
            raise ArgumentError(f"the SR loss's kernel_term must be 'sum' or 'mean'; received {kernel_term!r}")
        self.border, self.kernel_term = border, kernel_term

    def __call__(
        self,
        sr: Tensor,
        kernel: Tensor | None,
        hr: Tensor,
        lr: Tensor,
        true_kernel: Tensor,
        pixel_weights: Sequence[Tensor] = (),
    ) -> SRLoss:
        """Compare a restored batch with its targets, outside autocast.

        Args:
            sr: restored images [B,C,H,W].
            kernel: estimated kernels [B,1,k,k] that sum to 1, or None.
            hr: true images [B,C,H,W].
            lr: network inputs [B,C,H/s,W/s].
            true_kernel: true kernels [B,1,k,k] that sum to 1.
            pixel_weights: maps [B,1,H,W] that multiply the errors, each downsampled separately for the LR term.

        Raises:
            ValueError: if shapes do not fit.
        """
        if sr.shape != hr.shape:
            raise ValueError(f"restored {tuple(sr.shape)} and true image {tuple(hr.shape)} differ in shape")
        with torch.autocast(sr.device.type, enabled=False):
            sr, hr, lr = at_least_float32(sr), at_least_float32(hr), at_least_float32(lr)
            terms = {"sr_image": _mean_error(sr, hr, pixel_weights)}
            if kernel is None:
                return SRLoss(terms["sr_image"], terms)
            kernel = at_least_float32(kernel)
            terms["sr_lr"] = self._lr_term(sr, kernel, lr, pixel_weights)
            terms["sr_kernel"] = self._kernel_term(kernel, at_least_float32(true_kernel))
            total = sum(weight * term for weight, term in zip(self.weights, terms.values(), strict=True))
            assert isinstance(total, Tensor)
        return SRLoss(total, terms)

    def _lr_term(self, sr: Tensor, kernel: Tensor, lr: Tensor, pixel_weights: Sequence[Tensor]) -> Tensor:
        """Error [B] of the restored image degraded again by the estimated kernel."""
        scale = sr.shape[-1] // lr.shape[-1]
        if sr.shape[-2:] != (lr.shape[-2] * scale, lr.shape[-1] * scale):
            raise ValueError(f"sides of {tuple(sr.shape)} are not a multiple of those of {tuple(lr.shape)}")
        degraded = bicubic_downsample(blur_fft(sr, kernel, self.border), scale)  # [B,C,H,W] -> [B,C,h,w]
        return _mean_error(degraded, lr, [downsample_weight(weight, scale) for weight in pixel_weights])

    def _kernel_term(self, kernel: Tensor, true_kernel: Tensor) -> Tensor:
        if kernel.shape != true_kernel.shape:
            raise ValueError(
                f"estimated kernel {tuple(kernel.shape)} and true kernel {tuple(true_kernel.shape)} "
                "differ: give the network the degradation's kernel side"
            )
        squares = (kernel - true_kernel).square().flatten(1)
        return squares.sum(dim=1) if self.kernel_term == "sum" else squares.mean(dim=1)


def _mean_error(a: Tensor, b: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Weighted mean absolute error over channels and pixels [B]."""
    error = (a - b).abs()
    for weight in weights:
        error = error * weight
    return error.flatten(1).mean(dim=1)
