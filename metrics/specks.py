"""Removal of specks: regions too small to be a crack, in probability maps of whole photographs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def remove_specks(prob: NDArray[np.float32], minimum_area: int, threshold: float = 0.5) -> NDArray[np.float32]:
    """Lower regions of fewer than ``minimum_area`` pixels to just below ``threshold``; returns a new map.

    prob: float32 [H,W] in [0, 1]; a region is 8-connected, of pixels at or above the threshold. Nothing else
    changes, and curves over lower thresholds stay as they were. Without small regions, or with a
    minimum_area of 0 or 1, the map itself is returned.
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
