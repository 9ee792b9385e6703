"""Reading crack masks: whatever file they are kept in, by their largest colour channel and opacity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.decode import Decoded, Unreadable, decode
from data.depth import is_deep

FULL_RANGES = (1, 255, 65535)


def read_mask(path: Path, binarise: bool = True) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Read a crack mask [H,W]: uint8 {0, 1}, or float32 in 0..1 where ``binarise`` is False.

    A pixel is crack where it exceeds half of the full range, which makes the grey edges of JPEG
    and anti-aliased masks decided. The full range is the smallest of 1, 255 and 65535 that holds
    the largest value of the file, so masks stored as 0/1 work; only 255 for JPEG and WebP, where a
    value of 1 is a trace of compression. Colour masks count by their largest channel, and
    transparent pixels by how opaque they are. An EXIF orientation is applied only where the mask
    file itself carries one. Raises UserError naming a missing or unreadable file.
    """
    decoded = decode(path)
    values = mask_values(decoded, path)
    largest = float(values.max())
    full = 255 if decoded.lossy else next(limit for limit in FULL_RANGES if largest <= limit)
    if binarise:
        return (values * 2.0 > full).astype(np.uint8)
    return (values / full).astype(np.float32)


def mask_values(decoded: Decoded, path: Path) -> NDArray:
    """Values [H,W] of a mask in the units of its file: largest colour channel times opacity.

    Raises UserError, naming ``path``, for values that are not whole numbers from 0 to 65535.
    """
    values = decoded.values
    if values.dtype != np.uint8 and (not is_deep(values) or values.min() < 0 or values.max() > 65535):
        raise Unreadable(path, "float or 32-bit values; save it with 8 or 16 bits")
    if values.ndim == 3:
        values = values.max(axis=2)
    return values if decoded.opacity is None else values * decoded.opacity
