"""Quality of restored images and of estimated blur kernels: PSNR (dB) and SSIM, in float64."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

WINDOW_SIDE = 11
WINDOW_SIGMA = 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2  # for a data range of 1

Images = Tensor | NDArray


def psnr(prediction: Images, target: Images) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB for each image, [B].

    The prediction is clipped to [0, 1]; the error is the mean over all channels and pixels, without
    rounding to 8 bits, border crop or change to luminance. Identical images: infinity.

    Args:
        prediction: [B,C,H,W], range 1, any device.
        target: likewise.

    Raises:
        ValueError: if the shapes differ.
    """
    prediction, target = _checked(prediction, target)
    error = np.square(prediction - target).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return -10.0 * np.log10(error)


def ssim(prediction: Images, target: Images, border: str = "zero") -> NDArray[np.float64]:
    """Structural similarity for each image, [B] (Z. Wang et al., 2004).

    Gaussian window 11x11 with sigma 1.5, biased moments, mean over pixels and channels. The
    prediction is clipped to [0, 1].

    Args:
        prediction: [B,C,H,W], range 1, any device.
        target: likewise.
        border: "zero" pads the images with zeros (as the reference code does), "valid" averages over whole windows
            only (as scikit-image does).

    Raises:
        ValueError: for different shapes, another border, or images smaller than a "valid" window.
    """
    if border not in ("zero", "valid"):
        raise ValueError(f"border must be 'zero' or 'valid'; received {border!r}")
    prediction, target = _checked(prediction, target)
    if border == "valid" and min(prediction.shape[-2:]) < WINDOW_SIDE:
        raise ValueError(f"border 'valid' needs sides of at least {WINDOW_SIDE} px; received {target.shape}")
    crop = WINDOW_SIDE // 2 if border == "valid" else 0
    pairs = zip(prediction, target, strict=True)
    return np.array([np.mean([_plane_ssim(*planes, crop) for planes in zip(a, b, strict=True)]) for a, b in pairs])


def kernel_psnr(prediction: Images, target: Images) -> NDArray[np.float64]:
    """PSNR in dB of blur kernels.

    The value mainly says how small the taps are (1/k^2 on average): not comparable with images.

    Args:
        prediction: [B,1,k,k], any device.
        target: likewise.

    Returns:
        [B].
    """
    return psnr(prediction, target)


def kernel_ssim(prediction: Images, target: Images) -> NDArray[np.float64]:
    """SSIM of blur kernels, both divided by the peak of the true one.

    Args:
        prediction: [B,1,k,k], any device.
        target: likewise.

    Returns:
        [B].
    """
    prediction, target = _numpy(prediction), _numpy(target)
    peak = target.max(axis=(1, 2, 3), keepdims=True)
    return ssim(prediction / peak, target / peak)


def blur_sigma(kernel: NDArray) -> float:
    """Standard deviation of a blur kernel [k,k] in its widest direction, pixels; 0 for a single tap.

    Of a Gaussian cut off by the kernel's side it is a little less than its parameter.
    """
    taps = np.clip(np.asarray(kernel, np.float64), 0, None)  # some restorations' kernels have negative taps
    points = np.stack(np.meshgrid(*(np.arange(side) for side in taps.shape), indexing="ij")).reshape(2, -1)
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(np.cov(points, aweights=taps.ravel(), ddof=0))[-1])))


def _numpy(images: Images) -> NDArray[np.float64]:
    if isinstance(images, Tensor):
        images = images.detach().double().cpu().numpy()
    return np.asarray(images, dtype=np.float64)


def _checked(prediction: Images, target: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    prediction, target = _numpy(prediction), _numpy(target)
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {prediction.shape} and target {target.shape} differ in shape")
    return prediction.clip(0.0, 1.0), target


def _plane_ssim(a: NDArray[np.float64], b: NDArray[np.float64], crop: int) -> float:
    """Mean SSIM of one channel [H,W], without ``crop`` pixels at each border."""
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variance_a = _window_mean(a * a) - mean_a**2
    variance_b = _window_mean(b * b) - mean_b**2
    covariance = _window_mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    structure = (2 * covariance + C2) / (variance_a + variance_b + C2)
    height, width = a.shape
    return float((luminance * structure)[crop : height - crop, crop : width - crop].mean())


def _window_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted mean over the window around each pixel [H,W], zeros outside the image."""
    offsets = np.arange(WINDOW_SIDE) - WINDOW_SIDE // 2
    window = np.exp(-(offsets**2) / (2 * WINDOW_SIGMA**2))
    window /= window.sum()
    filtered = cv2.sepFilter2D(plane, -1, window, window, borderType=cv2.BORDER_CONSTANT)
    return filtered.astype(np.float64, copy=False)
