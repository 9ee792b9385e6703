"""Removal of specks: regions too small to be a crack, in probability maps of whole photographs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import area_opening


def remove_specks(prob: NDArray[np.float32], minimum_area: int, threshold: float = 0.5) -> NDArray[np.float32]:
    """Lower regions of fewer than ``minimum_area`` pixels to just below ``threshold``; returns a new map.

    prob: float32 [H,W] in [0, 1]; a region is 8-connected, of pixels at or above the threshold. Nothing else
    changes: this is for a mask at one threshold. Without small regions, or with a minimum_area of 0 or 1, the
    map itself is returned.
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


def open_specks(prob: NDArray[np.float32], minimum_area: int) -> NDArray[np.float32]:
    """What `remove_specks` does at every threshold at once, so that curves over thresholds agree with the mask at 0.5.

    This is the area opening of a grey image (L. Vincent, "Grayscale area openings and closings", 1993): at any
    threshold exactly the 8-connected regions of ``minimum_area`` pixels and more remain. prob: float32 [H,W]. With
    a minimum_area of 0 or 1 the map itself is returned.
    """
    if minimum_area <= 1:
        return prob
    return area_opening(prob, minimum_area, connectivity=2)
