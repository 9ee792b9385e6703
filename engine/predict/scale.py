"""The scale of photographs as it is given on the command line: outright, by two points, or by camera and distance."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import UserError, at
from data.camera import Camera, camera_of
from metrics.scale import Scale, scale_between

NAMES = ("mm_per_pixel", "scale_uncertainty", "reference", "distance", "focal_length", "sensor_width")


def add_scale_arguments(parser: argparse.ArgumentParser, exif: bool = True) -> None:
    """The arguments that tell how large a pixel is.

    Args:
        parser: to add them to.
        exif: whether what is measured may carry EXIF data of a camera, as photographs do and masks do not.
    """
    add = parser.add_argument_group(
        "scale, for millimetres: one of --mm-per-pixel, --reference, --distance"
    ).add_argument
    add("--mm-per-pixel", type=float, metavar="X", help="size of a pixel on the surface")
    add(
        "--reference",
        type=float,
        nargs=5,
        metavar=("X1", "Y1", "X2", "Y2", "MM"),
        help="two points, in pixels from the upper left corner, and the millimetres between them",
    )
    unset = "unset: from EXIF" if exif else "needed with --distance"
    add("--distance", type=float, metavar="M", help="metres from the camera to the surface, which faces it")
    add("--focal-length", type=float, metavar="MM", help=f"of the lens, with --distance ({unset})")
    add("--sensor-width", type=float, metavar="MM", help=f"longer side of the sensor, with --distance ({unset})")
    add("--scale-uncertainty", type=float, default=0.0, metavar="PERCENT", help="standard uncertainty of it (0)")


@dataclass(frozen=True)
class ScaleChoice:
    """What the user said of the scale.

    Attributes:
        mm_per_pixel: or None.
        scale_uncertainty: of whatever gives the scale, percent; beside what follows from rounding and clicking.
        reference: x and y of two points in pixels and their distance in mm, or None.
        distance: to the surface in metres, or None.
        focal_length: in mm; None: of EXIF.
        sensor_width: its longer side in mm; None: of EXIF.
    """

    mm_per_pixel: float | None = None
    scale_uncertainty: float = 0.0
    reference: Sequence[float] | None = None
    distance: float | None = None
    focal_length: float | None = None
    sensor_width: float | None = None

    @property
    def given(self) -> bool:
        """Whether there is a scale."""
        return self.mm_per_pixel is not None or self.reference is not None or self.distance is not None

    def record(self) -> dict[str, object]:
        """What figures in mm depend on, by the names of the options."""
        return {f"--{name.replace('_', '-')}": getattr(self, name) for name in NAMES}

    @classmethod
    def taken_from(cls, chosen: dict[str, Any]) -> ScaleChoice:
        """Take its values out of those of a command line, and check them."""
        choice = cls(**{name: chosen.pop(name) for name in NAMES})
        choice.check()
        return choice

    def check(self) -> None:
        """Raise UserError for what means nothing or contradicts itself."""
        ways = {"--mm-per-pixel": self.mm_per_pixel, "--reference": self.reference, "--distance": self.distance}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise UserError(f"{' and '.join(given)}: each gives the scale; leave all but one out")
        for name, value in {**ways, "--focal-length": self.focal_length, "--sensor-width": self.sensor_width}.items():
            if isinstance(value, float | int) and not 0 < value < math.inf:
                raise UserError(f"{name} {value:g}: give a positive number")
        if (self.focal_length or self.sensor_width) and self.distance is None:
            raise UserError("--focal-length and --sensor-width: give --distance in metres, too")
        if (self.focal_length is None) != (self.sensor_width is None):
            raise UserError("--focal-length and --sensor-width: give both, or neither to have them from EXIF")
        if not 0 <= self.scale_uncertainty <= 100:
            raise UserError(f"--scale-uncertainty {self.scale_uncertainty:g}: give percent from 0 to 100")
        if self.scale_uncertainty and not self.given:
            raise UserError("--scale-uncertainty: give the scale, too: --mm-per-pixel, --reference or --distance")
        if self.reference is not None:
            self._between(self.reference)

    def check_number(self, count: int) -> None:
        """Raise UserError for points of one photograph and several photographs."""
        if self.reference is not None and count > 1:
            raise UserError(f"--reference: its points are of one photograph, not of {count}; give --mm-per-pixel")

    def of(self, path: Path | None, height: int, width: int) -> Scale | None:
        """The scale of a photograph, None where none is given.

        Args:
            path: of its file, whose EXIF data is read if need be; None: there is none.
            height: of the photograph in pixels.
            width: likewise.

        Raises:
            UserError: where the file does not tell what --distance needs, and for points that the photograph lacks.
        """
        given = self.scale_uncertainty / 100
        if self.mm_per_pixel is not None:
            return Scale(self.mm_per_pixel, given)
        if self.reference is not None:
            return self._between(self.reference, (height, width))
        if self.distance is None:
            return None
        if self.focal_length is not None and self.sensor_width is not None:
            camera = Camera(self.focal_length, self.sensor_width / max(height, width))
        elif path is not None:
            camera = camera_of(path)
        else:
            raise UserError("--distance: give --focal-length and --sensor-width, too, as masks tell no camera")
        origin = f"{self.distance:g} m away, focal length {camera.focal_length:g} mm"
        return Scale(camera.mm_per_pixel(1000 * self.distance), min(1.0, math.hypot(given, camera.relative)), origin)

    def _between(self, reference: Sequence[float], size: tuple[int, int] | None = None) -> Scale:
        """The scale of two points; ``size``: in which they have to lie."""
        x1, y1, x2, y2, length = reference
        with at("--reference"):
            return scale_between((x1, y1), (x2, y2), length, size, self.scale_uncertainty / 100)


NO_SCALE = ScaleChoice()
