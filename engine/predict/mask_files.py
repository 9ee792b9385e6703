"""Masks that were written, read again for the files that hold those of all photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError


def read_mask_file(path: Path) -> NDArray[np.uint8]:
    """A mask that was written, uint8 [H,W]. Raises UserError if it is not there any more, or something else."""
    try:
        mask = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        mask = None
    if mask is None:
        raise UserError(f"{path}: this mask was changed or removed meanwhile; run the same with --resume")
    return mask.astype(np.uint8, copy=False)
