"""Exact squared Euclidean distances on the pixel grid."""

from __future__ import annotations

from types import EllipsisType

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Index = tuple[NDArray[np.int64], NDArray[np.int64]] | EllipsisType
EXACT_DIAGONAL = 2048  # px; below it single precision still tells neighbouring squared distances apart


def squared_distance(points: NDArray[np.bool_], at: Index = ...) -> NDArray[np.int64]:
    """Return for each grid point the squared distance to the nearest set point.

    Args:
        points: bool [H,W] with at least one set point.
        at: index of the grid points that are asked for; by default all, as an array [H,W].

    Returns:
        Exact integers, squared pixels.

    Raises:
        ValueError: if no point is set.
    """
    if not points.any():
        raise ValueError("the distance to an empty set is undefined")
    if np.hypot(*points.shape) >= EXACT_DIAGONAL:
        distance = ndimage.distance_transform_edt(~points)
    else:
        background = (~points).view(np.uint8)
        distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.rint(np.square(distance[at].astype(np.float64))).astype(np.int64)
