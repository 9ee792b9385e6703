"""The cracks of one photograph as JSON, for programs, and as GeoJSON, for maps: plain data, NaN never."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.names import readable
from data.exif import CameraData
from engine.predict.photo import Prediction
from engine.predict.plan import Job, Settings
from engine.predict.resume import KEYWORD
from metrics.crack_rows import rows_of, significant
from metrics.figure import Figure
from metrics.geometry import Crack, total_length
from metrics.scale import Scale

PIXELS = "of the photograph as it looks, turned upright; the centre of its first pixel is row 0, column 0"
PLANE = (
    "pixels of the photograph, no place on the earth: x is to the right, y is up and negative, as QGIS lays a picture "
    "without a georeference; the upper left corner of the photograph is 0, 0, that of its second pixel 1, 0"
)
CRS = 'LOCAL_CS["pixels of the photograph",UNIT["pixel",1]]'


def report(
    job: Job,
    prediction: Prediction,
    cracks: Sequence[Crack],
    camera: CameraData,
    settings: Settings,
    made: Mapping[str, Any],
) -> dict[str, Any]:
    """All that was found out about a photograph.

    Args:
        job: that is done.
        prediction: what was found.
        cracks: in pixels of the photograph.
        camera: what the photograph's EXIF data tells.
        settings: what the user chose.
        made: what it was made with.
    """
    scale = settings.scale.of(job.path, *job.size)
    widest = max((crack for crack in cracks if crack.max_width), key=_largest, default=None)
    place = {"latitude": camera.latitude, "longitude": camera.longitude, "altitude": camera.altitude}
    return {
        "photograph": readable(job.path.name),
        "width": job.size[1],
        "height": job.size[0],
        "restored": prediction.restored is not None,
        "how": prediction.how,
        "taken": camera.taken,
        "position": None if camera.latitude is None else place,
        "pixels": PIXELS,
        "scale": None if scale is None else vars(scale),
        "threshold": prediction.threshold,
        "minimum_length_px": settings.minimum_length,
        "number": len(cracks),
        "unmeasured": sum(bool(crack.reason) for crack in cracks),
        "total_length": _in_units(total_length(cracks), scale),
        "max_width": None if widest is None else _in_units(widest.max_width, scale) | _place(widest),
        "crack_area_fraction": round(prediction.crack_fraction(), 8),
        "notes": list(prediction.notes),
        "cracks": [
            row | {"centrelines": _centrelines(crack, scale)}
            for row, crack in zip(rows_of(readable(job.path.name), cracks, scale), cracks, strict=True)
        ],
        KEYWORD: dict(made),
    }


def geojson(content: Mapping[str, Any]) -> dict[str, Any]:
    """A report as a FeatureCollection: each branch of a crack is a LineString with the crack's figures.

    RFC 7946 knows degrees alone; a photograph has none. ``crs`` says so in the words of the earlier specification
    (2008), which GDAL and QGIS still read: a plane of its own. What knows RFC 7946 alone takes pixels for degrees.

    Args:
        content: of ``report``.
    """
    features = []
    for crack in content["cracks"]:
        figures = {key: value for key, value in crack.items() if key != "centrelines"}
        for number, line in enumerate(crack["centrelines"], start=1):
            points = [[round(x + 0.5, 2), round(-y - 0.5, 2)] for y, x in zip(line["row"], line["column"], strict=True)]
            widths = {key: value for key, value in line.items() if key.startswith("width_")}
            means = {f"branch_{key.replace('width', 'mean_width')}": _mean(value) for key, value in widths.items()}
            properties = {**figures, "branch": number, **means, **widths}
            shape = {"type": "LineString", "coordinates": points}
            features.append({"type": "Feature", "properties": properties, "geometry": shape})
    kept = ("photograph", "width", "height", "taken", "position", "scale", KEYWORD)
    about = {"coordinates": PLANE, **{key: content[key] for key in kept}}
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": CRS}},
        **about,
        "features": features,
    }


def as_json(content: Mapping[str, Any]) -> bytes:
    """Plain data as the content of a file."""
    return (json.dumps(content, allow_nan=False) + "\n").encode("ascii")


def in_words(content: Mapping[str, Any]) -> str:
    """What a report says in a few words: number, length, largest width.

    Args:
        content: of ``report``.
    """
    unit = "px" if content["scale"] is None else "mm"
    number, widest = content["number"], content["max_width"]
    text = "no crack" if number == 0 else "1 crack" if number == 1 else f"{number} cracks"
    if widest is None:
        return text if number == 0 else f"{text}, too small to be measured"
    figures = (_with_uncertainty(figure, unit) for figure in (content["total_length"], widest))
    return "{}, {} long, at most {} wide".format(text, *figures)


def _with_uncertainty(figure: Mapping[str, float], unit: str) -> str:
    """A value with as many digits as its uncertainty, of two digits, lets it have."""
    value, uncertainty = figure[unit], figure[f"{unit}_uncertainty"]
    digits = 0 if uncertainty <= 0 else max(0, 1 - math.floor(math.log10(uncertainty)))
    return f"{value:.{digits}f} ± {uncertainty:.{digits}f} {unit}"


def _largest(crack: Crack) -> float:
    assert crack.max_width is not None
    return crack.max_width.value


def _in_units(figure: Figure | None, scale: Scale | None) -> dict[str, float]:
    """A figure in px and, where the scale is known, in mm."""
    assert figure is not None
    values = {"px": significant(figure.value), "px_uncertainty": significant(figure.uncertainty)}
    if scale is not None:
        length = scale.of(figure)
        values |= {"mm": significant(length.value), "mm_uncertainty": significant(length.uncertainty)}
    return values


def _place(crack: Crack) -> dict[str, float]:
    assert crack.widest is not None
    return {"row": round(crack.widest[0], 1), "column": round(crack.widest[1], 1)}


def _centrelines(crack: Crack, scale: Scale | None) -> list[dict[str, Any]]:
    """Places and local widths along each branch; None where a width was not measured."""
    lines = []
    for points, widths in zip(crack.lines, crack.widths, strict=True):
        line = {"row": _rounded(points[:, 0]), "column": _rounded(points[:, 1]), "width_px": _rounded(widths)}
        if scale is not None:
            line["width_mm"] = [
                None if value is None else significant(value * scale.mm_per_pixel) for value in _rounded(widths, 3)
            ]
        lines.append(line)
    return lines


def _rounded(values: NDArray[np.float64], digits: int = 2) -> list[float | None]:
    return [round(float(value), digits) if np.isfinite(value) else None for value in values]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None
