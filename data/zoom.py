"""Training crops at random scales and angles, so that a network meets cracks of any width and direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data.transforms import crack_pixel

COVERED = 0.3  # of a pixel, from which on it is crack: one of 1 px survives a reduction by 0.6 wherever it lies
WIDEST = 1.5  # sides of a photograph that a crop may be wide, the rest being mirrored


@dataclass(frozen=True)
class Zoom:
    """Cut crops out of photographs, enlarged or reduced and turned in one resampling.

    The factor is drawn uniformly in its logarithm. A photograph is not downsampled further than that a crop spans
    ``WIDEST`` of its shorter sides.

    Attributes:
        low: smallest factor.
        high: largest factor; 2 makes cracks twice as wide.
        any_angle: also turn by any angle.
    """

    low: float
    high: float
    any_angle: bool = False

    def __call__(
        self, image: NDArray, mask: NDArray, side: int, drawn: dict[str, float], crack_probability: float = 0.0
    ) -> tuple[NDArray, NDArray]:
        """Cut a square crop from image and mask.

        Its middle is uniform where the crop does not leave the photograph, or else near a random crack pixel, at most
        a quarter of the side away in the crop. Outside, the photograph is mirrored. A pixel is crack if ``COVERED`` of
        it is.

        Args:
            image: uint8 [H,W,3].
            mask: [H,W] in {0, 1}.
            side: of the crop, pixels.
            drawn: as from ``data.transforms.draw``.
            crack_probability: of a middle near a crack pixel.

        Returns:
            The crops of image and mask, in their types.
        """
        factor = max(self.low * (self.high / self.low) ** drawn["zoom"], side / (WIDEST * min(mask.shape)))
        soft: NDArray = mask.astype(np.float32)
        if factor < 1:
            height, width = (max(1, round(length * factor)) for length in mask.shape)
            image, soft = (cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA) for array in (image, soft))
        remaining = max(factor, 1.0)
        middle = _middle(soft, side / remaining, drawn, crack_probability)
        turn = 2 * math.pi * drawn["angle"] if self.any_angle else 0.0
        along, across = math.cos(turn) / remaining, math.sin(turn) / remaining
        half = (side - 1) / 2
        back = np.array(
            [  # from pixels (x, y) of the crop to those of the photograph
                [along, -across, middle[1] - half * (along - across)],
                [across, along, middle[0] - half * (across + along)],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cut, covered = (
            cv2.warpAffine(array, back, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
            for array in (image, soft)
        )
        return cut, (covered >= COVERED).astype(mask.dtype)


def _middle(soft: NDArray, span: float, drawn: dict[str, float], crack_probability: float) -> tuple[float, float]:
    """Row and column of the crop's middle in a photograph of which it spans ``span`` pixels."""
    pixel = crack_pixel(soft, drawn, crack_probability, COVERED)
    if pixel is not None:
        return pixel[0] + (drawn["crop_row"] - 0.5) * span / 2, pixel[1] + (drawn["crop_column"] - 0.5) * span / 2
    row, column = (
        (length - 1) / 2 + (drawn[key] - 0.5) * max(0.0, length - span)
        for key, length in zip(("crop_row", "crop_column"), soft.shape, strict=True)
    )
    return row, column
