"""The normalised signed distance map that the boundary loss weighs probabilities with."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def signed_distance_map(mask: NDArray) -> NDArray[np.float32]:
    """Return the signed distance map of a crack mask [H,W] as float32 [H,W] in [-1, 1].

    With o the Euclidean distance of a pixel to the nearest crack pixel and i its distance to the
    nearest background pixel, the map is ``o / max(o) - i / max(i)``: positive outside, negative
    inside, and 0 on the inner boundary (crack pixels with a 4-neighbour in the background; the
    outside of the image is no background). So cracks one or two pixels wide are 0 throughout.
    Pixels of value 1 and above are crack, as in the reference code, whose masks are not binarised.
    A mask without crack, and one that is all crack (0/0 in the reference), has no boundary: 0.

    Source: H. Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019, with
    the normalisation of Kondo & Ukita, IEEE TIM 73, 2024.
    """
    crack = np.ascontiguousarray(mask >= 1, dtype=np.uint8)
    if crack.ndim != 2:
        raise ValueError(f"expected a mask [H,W], received shape {mask.shape}")
    if not crack.any() or crack.all():
        return np.zeros(crack.shape, np.float32)
    outside = _distance_to_zero(1 - crack)
    inside = _distance_to_zero(crack)
    signed = outside / outside.max() - inside / inside.max()
    interior = cv2.erode(crack, CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=1)  # 4-neighbours are all crack
    signed[(crack == 1) & (interior == 0)] = 0
    return signed


def _distance_to_zero(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Euclidean distance in pixels of every pixel to the nearest zero of ``mask``.

    OpenCV's last digit depends on where the array lies in memory (Intel's IPP), so that two runs would
    differ: rounding the squares, which are whole numbers, makes it exact below 1400 pixels.
    """
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.sqrt(np.rint(np.square(distance)))
