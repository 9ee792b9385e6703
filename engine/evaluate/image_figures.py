"""What is known or measured of one evaluated image beside its segmentation."""

from __future__ import annotations

from concurrent.futures import Future

from engine.evaluate.evaluation import EvaluatedImage
from metrics.image_quality import blur_sigma, kernel_psnr, kernel_ssim, psnr, ssim
from metrics.luminance import quality_on_y
from metrics.names import BLUR_SIGMA, CRACK_WIDTH, DRAW, KERNEL_PSNR, KERNEL_SSIM, PSNR, PSNR_Y, SSIM, SSIM_Y


def facts_of(prediction: EvaluatedImage, width: Future[float | None]) -> dict[str, float]:
    """What is known of an image whoever looks at it: its draw, the width of its cracks, its blur."""
    facts: dict[str, float] = {DRAW: prediction.draw}
    if (pixels := width.result()) is not None:
        facts[CRACK_WIDTH] = pixels
    if prediction.true_kernel is not None:
        facts[BLUR_SIGMA] = blur_sigma(prediction.true_kernel)
    return facts


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
