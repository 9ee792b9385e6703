"""Crack detectors without learning, the baselines of every table: a network below them has learnt nothing.

"classical": black-hat transform, Otsu's threshold, removal of small regions; "all_crack": every pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray


def black_hat_otsu(
    image: NDArray[np.uint8],
    *,
    size: int = 25,
    smoothing: float = 2.0,
    minimum_contrast: float = 10.0,
    minimum_area: int = 150,
    minimum_extent: float = 50.0,
) -> NDArray[np.float32]:
    """Detect cracks by the black-hat transform and Otsu's threshold.

    Cracks are thin and darker than their surroundings: the black-hat transform (closing minus image)
    of the smoothed grey image keeps dark structures narrower than ``size``; Otsu's threshold
    (N. Otsu, 1979) splits its values; small components are dropped.

    Args:
        image: RGB, uint8 [H,W,3].
        size: side of the elliptic structuring element, pixels.
        smoothing: sigma of the Gaussian, pixels; 0 for none.
        minimum_contrast: lower limit of the threshold in grey levels, because Otsu finds two classes in a crack-free
            image too.
        minimum_area: pixels of the smallest component that stays.
        minimum_extent: diagonal of its bounding box, pixels.

    Returns:
        A probability-like map [H,W] in [0, 1], above 0.5 exactly on the detected cracks: the transform divided by
        twice the threshold within the components that stay, and 0 elsewhere.

    Raises:
        ValueError: unless the image is uint8 [H,W,3].
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an 8-bit RGB image [H,W,3]; received {image.dtype} {image.shape}")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if smoothing:
        grey = cv2.GaussianBlur(grey, (0, 0), smoothing)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, element)
    otsu, _ = cv2.threshold(dark, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    threshold = max(otsu, minimum_contrast)
    cracks = _large_components(dark > threshold, minimum_area, minimum_extent)
    return np.where(cracks, dark / (2.0 * threshold), 0.0).clip(0.0, 1.0).astype(np.float32)


def _large_components(mask: NDArray[np.bool_], minimum_area: int, minimum_extent: float) -> NDArray[np.bool_]:
    """Keep the 8-connected components that reach both limits."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    extent = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    keep = (stats[:, cv2.CC_STAT_AREA] >= minimum_area) & (extent >= minimum_extent)
    keep[0] = False  # the background
    return keep[labels]


def all_crack(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Call every pixel of an image [H,W,3] crack: 1 everywhere, [H,W]. Its precision is the share of crack pixels."""
    return np.ones(image.shape[:2], np.float32)


BASELINES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
    "classical": black_hat_otsu,
    "all_crack": all_crack,
}
