"""What a camera wrote into a photograph, beside its pixels: kept for what is made of it, and read for reports."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
# description, make, model, software, date, artist, copyright: of a TIFF file the other tags say how it is stored
KEPT = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
# notes of the maker, whose offsets break; sizes and tables that are no longer so
LEFT_OUT = (0x927C, 0xA002, 0xA003, 0xA005)
TAKEN, OFFSET, CHANGED = 0x9003, 0x9011, 0x0132
LATITUDE, LONGITUDE, ALTITUDE = (1, 2), (3, 4), (5, 6)  # tags of the reference and of the value


@dataclass(frozen=True)
class CameraData:
    """EXIF data of a photograph that is upright now.

    Attributes:
        exif: as PNG and other files hold it (a TIFF structure), without orientation, sizes, preview and maker's notes;
            empty where there is none.
        taken: ISO 8601, with the offset from UTC where the camera tells it; else None.
        latitude, longitude: degrees, WGS84, north and east positive, or None.
        altitude: metres above the sea, or None.
    """

    exif: bytes = b""
    taken: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None


def read_camera_data(path: Path) -> CameraData:
    """What a file holds of it; nothing where the data is damaged or the file is of another kind."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            details, place = dict(exif.get_ifd(EXIF_IFD)), dict(exif.get_ifd(GPS_IFD))
            tags = {tag: exif[tag] for tag in KEPT if tag in exif}
        return CameraData(_content(tags, details, place), _taken(tags, details), *_position(place))
    except Exception:  # whatever a parser of damaged bytes raises: SyntaxError, struct.error, KeyError, ...
        return CameraData()


def _content(tags: Mapping[int, Any], details: Mapping[int, Any], place: Mapping[int, Any]) -> bytes:
    """The tags as EXIF data."""
    kept = Image.Exif()
    for tag, value in tags.items():
        kept[tag] = value
    details = {tag: value for tag, value in details.items() if tag not in LEFT_OUT}
    for pointer, group in ((EXIF_IFD, details), (GPS_IFD, place)):
        if group:
            kept.get_ifd(pointer).update(group)
    return kept.tobytes().removeprefix(b"Exif\0\0") if tags or details or place else b""


def _taken(tags: Mapping[int, Any], details: Mapping[int, Any]) -> str | None:
    """When it was taken, else when the file was changed."""
    try:
        day, clock = str(details.get(TAKEN) or tags.get(CHANGED)).strip("\0 ").split(" ")
        zone = str(details.get(OFFSET, "")).strip("\0 ") if details.get(TAKEN) else ""
        zone = zone if re.fullmatch(r"[+-]\d\d:\d\d", zone) else ""  # an unknown one is written as blanks and a colon
        return datetime.fromisoformat(f"{day.replace(':', '-')}T{clock}{zone}").isoformat()
    except ValueError:
        return None


def _position(place: Mapping[int, Any]) -> tuple[float | None, float | None, float | None]:
    """Latitude, longitude, altitude."""
    latitude, longitude = (_degrees(place, *tags) for tags in (LATITUDE, LONGITUDE))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None, None, None
    try:
        altitude = float(place[ALTITUDE[1]]) * (-1 if place.get(ALTITUDE[0]) in (1, b"\x01") else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        altitude = math.nan
    return latitude, longitude, altitude if math.isfinite(altitude) else None


def _degrees(place: Mapping[int, Any], reference: int, value: int) -> float | None:
    """Degrees of (degrees, minutes, seconds), south and west negative; None where they are none."""
    try:
        degrees, minutes, seconds = (float(part) for part in place[value])
        sign = {"N": 1, "E": 1, "S": -1, "W": -1}[str(place[reference]).strip("\0 ").upper()]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    total = sign * (degrees + minutes / 60 + seconds / 3600)
    return round(total, 8) if math.isfinite(total) else None
