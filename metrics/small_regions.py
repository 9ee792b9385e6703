"""Removal of regions too small to be a crack from probability maps of whole photographs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import area_opening


def remove_small_regions(prob: NDArray[np.float32], minimum_area: int, threshold: float = 0.5) -> NDArray[np.float32]:
    """Lower small regions to just below the threshold, for a mask at this one threshold; nothing else changes.

    Args:
        prob: probability map, float32 [H,W] in [0, 1].
        minimum_area: regions of fewer pixels are removed; 0 and 1 remove nothing.
        threshold: a region is 8-connected and consists of the pixels at or above it.

    Returns:
        A new map [H,W], or ``prob`` itself where there is nothing to remove.
    """
    if minimum_area <= 1:
        return prob
    limit = np.float32(threshold)
    _, labels, stats, _ = cv2.connectedComponentsWithStats((prob >= limit).view(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < minimum_area
    small[0] = False  # what lies below the threshold
    if not small.any():
        return prob
    return np.where(small[labels], np.nextafter(limit, np.float32(0)), prob)


def area_open(prob: NDArray[np.float32], minimum_area: int) -> NDArray[np.float32]:
    """Remove small regions at every threshold at once, so that curves over thresholds agree with the mask at 0.5.

    This is the area opening of a grey image (L. Vincent, "Grayscale area openings and closings", 1993): at any
    threshold, exactly the 8-connected regions of at least ``minimum_area`` pixels remain.

    Args:
        prob: probability map, float32 [H,W] in [0, 1].
        minimum_area: regions of fewer pixels are removed; with 0 or 1, ``prob`` itself is returned.
    """
    if minimum_area <= 1:
        return prob
    return area_opening(prob, minimum_area, connectivity=2)
