"""PSNR and SSIM as papers on super-resolution report them: of the luminance, without the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.image_quality import WINDOW_SIDE, psnr, ssim

# ITU-R BT.601, studio range, for RGB in [0, 1] and Y in [0, 1]: as MATLAB's rgb2ycbcr, and BasicSR after it.
_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255.0
_OFFSET = 16.0 / 255.0


def luminance(image: NDArray) -> NDArray[np.float64]:
    """RGB [3,H,W] in [0, 1], rounded to 8 bits as saved images are, to Y [H,W] in [16/255, 235/255]."""
    rounded = np.round(np.asarray(image, dtype=np.float64).clip(0.0, 1.0) * 255.0) / 255.0
    return np.tensordot(_WEIGHTS, rounded, axes=1) + _OFFSET


def quality_on_y(prediction: NDArray, target: NDArray, border: int) -> tuple[float, float] | None:
    """PSNR in dB and SSIM of the luminance, for a range of 1 (identical images: infinity, 1).

    SSIM averages over whole windows only, as the code of these papers does.

    Args:
        prediction: RGB [3,H,W], range 1.
        target: likewise.
        border: pixels left out at each side, by custom the scale.

    Returns:
        None for an image of which less than a window of SSIM is left.

    Raises:
        ValueError: if the shapes differ.
    """
    if np.shape(prediction) != np.shape(target):
        raise ValueError(f"prediction {np.shape(prediction)} and target {np.shape(target)} differ in shape")
    height, width = np.shape(target)[1:]
    if min(height, width) - 2 * border < WINDOW_SIDE:
        return None
    inside = (slice(border, height - border), slice(border, width - border))
    ours, theirs = (luminance(image)[inside][None, None] for image in (prediction, target))  # [1,1,h,w]
    return float(psnr(ours, theirs)[0]), float(ssim(ours, theirs, border="valid")[0])
