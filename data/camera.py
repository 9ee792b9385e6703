"""What EXIF data tells of a camera: how large a pixel is on its sensor, and how far the lens throws it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contracts.errors import UserError

EXIF_IFD = 0x8769
FOCAL_LENGTH, FOCAL_LENGTH_35 = 0x920A, 0xA405  # mm; the latter of a 36 mm x 24 mm frame with the same diagonal view
PIXELS_X, PIXELS_Y = 0xA002, 0xA003
PLANE_RESOLUTION, PLANE_UNIT = 0xA20E, 0xA210  # pixels for each unit of the focal plane
ZOOM = 0xA404  # digital: the part of the sensor that was enlarged to the whole file
UNITS = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # mm; inch where the tag is missing
DIAGONAL = math.hypot(36, 24)  # mm
SAME_SHAPE = 0.01  # by which the ratio of sides may differ for a photograph that was reduced, not cropped
ALIKE = 0.1  # by which the two ways to the sensor's size may differ; beyond, the equivalent focal length is believed
WAYS = "give --mm-per-pixel, --reference, or --focal-length with --sensor-width"


@dataclass(frozen=True)
class Camera:
    """How a camera maps what is in front of it.

    Attributes:
        focal_length: mm.
        pitch: size on the sensor of a pixel of the file, mm.
        relative: standard uncertainty of pitch/focal_length, relative, from how EXIF rounds.
    """

    focal_length: float
    pitch: float
    relative: float = 0.0

    def mm_per_pixel(self, distance: float) -> float:
        """Size of a pixel on a surface that faces the camera.

        Args:
            distance: to it, mm.
        """
        return distance * self.pitch / self.focal_length


def camera_of(path: Path) -> Camera:
    """The camera that took a photograph, as its file says.

    The size of a pixel comes from the resolution of the focal plane or, where that is missing or contradicts it, from
    the focal length and its equivalent on a frame of 36 mm x 24 mm, which EXIF rounds to whole millimetres.

    Args:
        path: of the file.

    Raises:
        UserError: for a file that cannot be read, one that does not tell, and one that was cropped.
    """
    try:
        with Image.open(path) as image:
            tags, size = image.getexif().get_ifd(EXIF_IFD), image.size
    except Exception as error:  # Pillow raises what its parsers of damaged bytes do
        raise UserError(f"{path}: no EXIF data can be read ({error}); {WAYS}") from None
    focal = _number(tags.get(FOCAL_LENGTH))
    if not focal:
        raise UserError(f"{path}: its EXIF data tells no focal length; {WAYS}")
    # the larger side first: a photograph may have been turned since
    taken = sorted((_number(tags.get(PIXELS_X)), _number(tags.get(PIXELS_Y))), reverse=True)
    long, short = max(size), min(size)
    if all(taken) and abs(taken[0] / taken[1] * short / long - 1) > SAME_SHAPE:
        before = f"{taken[0]:.0f}x{taken[1]:.0f}, now {long}x{short} pixels"
        raise UserError(f"{path}: was cropped after it was taken ({before}), so the camera tells no scale; {WAYS}")
    resolution, equivalent = _number(tags.get(PLANE_RESOLUTION)), _number(tags.get(FOCAL_LENGTH_35))
    viewed = (
        Camera(focal, DIAGONAL * focal / equivalent / math.hypot(*size), 1 / math.sqrt(12) / equivalent)
        if (equivalent)
        else None
    )
    if resolution and taken[0]:
        unit = UNITS.get(tags.get(PLANE_UNIT, 2), UNITS[2])
        zoom = max(1.0, _number(tags.get(ZOOM)))
        camera = Camera(focal, unit / resolution * taken[0] / long / zoom)
        # programs that reduce photographs may leave the resolution of the focal plane as it was
        return camera if viewed is None or abs(camera.pitch / viewed.pitch - 1) < ALIKE else viewed
    if viewed is None:
        raise UserError(f"{path}: its EXIF data tells a focal length, but not the size of the sensor; {WAYS}")
    return viewed


def _number(value: object) -> float:
    """A number of EXIF as a positive float; 0 for what is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if 0 < number < math.inf else 0.0
