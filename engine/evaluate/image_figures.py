"""What is known or measured of one evaluated image beside its segmentation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

from engine.evaluate.evaluation import EvaluatedImage
from metrics.image_quality import blur_sigma, kernel_psnr, kernel_ssim, psnr, ssim
from metrics.luminance import quality_on_y
from metrics.names import (
    BLUR_SIGMA,
    CRACK_WIDTH,
    DRAW,
    JPEG_QUALITY,
    KERNEL_PSNR,
    KERNEL_SSIM,
    NOISE_SIGMA,
    PSNR,
    PSNR_Y,
    SSIM,
    SSIM_Y,
)

MID_GREY = 0.5


def facts_of(prediction: EvaluatedImage, width: Future[float | None]) -> dict[str, float]:
    """What is known of an image whoever looks at it: its draw, the width of its cracks, its blur, noise and JPEG."""
    facts: dict[str, float] = {DRAW: prediction.draw}
    if (pixels := width.result()) is not None:
        facts[CRACK_WIDTH] = pixels
    if prediction.true_kernel is not None:
        facts[BLUR_SIGMA] = blur_sigma(prediction.true_kernel)
    return facts | noise_and_jpeg(prediction.drawn)


def noise_and_jpeg(drawn: Mapping[str, Mapping[str, object] | None]) -> dict[str, float]:
    """How strongly a degradation made noise and compressed; a step that a draw left out counts as not there.

    Args:
        drawn: its parameters by step, as ``degradations.pipeline.Pipeline.draw`` returns them.

    Returns:
        noise_sigma and jpeg_quality (100 where a JPEG step was left out), each only where there is such a step at all.
    """

    def values(step: str, key: str) -> Iterator[float | None]:
        for name, parameters in drawn.items():
            if name == step or name.startswith(f"{step}_"):
                yield None if parameters is None else float(parameters[key])  # type: ignore[arg-type]

    variances = [
        *((value or 0.0) ** 2 for value in values("gaussian_noise", "sigma")),
        *(MID_GREY / value if value else 0.0 for value in values("poisson_noise", "peak")),
    ]
    qualities = [100.0 if value is None else value for value in values("jpeg", "quality")]
    figures = {}
    if variances:
        figures[NOISE_SIGMA] = math.sqrt(sum(variances))
    if qualities:
        figures[JPEG_QUALITY] = min(qualities)
    return figures


def quality_of(prediction: EvaluatedImage, scale: int) -> dict[str, float]:
    """PSNR and SSIM of the restored image, also of its luminance, and of the kernel; nothing under the condition hr."""
    if prediction.sr is None:
        return {}
    sr, hr = prediction.sr[None], prediction.hr[None]
    values = {PSNR: float(psnr(sr, hr)[0]), SSIM: float(ssim(sr, hr)[0])}
    of_luminance = quality_on_y(sr[0], hr[0], border=scale)
    if of_luminance is not None:
        values[PSNR_Y], values[SSIM_Y] = of_luminance
    if prediction.kernel is not None and prediction.true_kernel is not None:
        kernels = prediction.kernel[None, None], prediction.true_kernel[None, None]
        values |= {KERNEL_PSNR: float(kernel_psnr(*kernels)[0]), KERNEL_SSIM: float(kernel_ssim(*kernels)[0])}
    return values
