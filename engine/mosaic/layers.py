"""Cracks as layers of maps: a GeoPackage in the mosaic's coordinates, and GeoJSON in longitude and latitude."""

from __future__ import annotations

import io
import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contracts.errors import UserError
from contracts.files import replacing
from contracts.names import BYTES_AS_HEX
from engine.mosaic.features import Feature, Lines

if TYPE_CHECKING:
    from rasterio.crs import CRS

LAYER = "cracks"
BATCH = 500  # cracks that are held at once
DECIMALS = 9  # of degrees: 0.1 mm
TEXTS, WHOLE = ("part", "method"), ("id", "branches", "junctions")  # columns; all others are numbers with a fraction


def write_layers(
    features: Iterator[Feature], columns: Sequence[str], crs: CRS | None, package: Path, plain: Path | None
) -> None:
    """Write the cracks, a batch at a time.

    Args:
        features: the cracks.
        columns: of their values.
        crs: of their coordinates, or None.
        package: the GeoPackage (OGC 12-128), with a layer ``LAYER`` of lines; grows in place.
        plain: the GeoJSON (RFC 7946: WGS 84, 9 decimals); None: not written.

    Raises:
        Unwritable: where the disk refuses.
    """
    count = 0
    package.unlink(missing_ok=True)
    with ExitStack() as stack:
        text = None
        if plain is not None:
            file = stack.enter_context(replacing(plain))
            text = io.TextIOWrapper(file, "utf-8", BYTES_AS_HEX, newline="\n", write_through=True)
            stack.callback(text.detach)  # else it would close the file
            text.write('{"type": "FeatureCollection", "features": [')
        for batch in _batches(features):
            _append(package, batch, columns, crs, count > 0)
            if text is not None and batch:
                lines = (json.dumps(one, allow_nan=False) for one in _as_geojson(batch, crs))
                text.write(("," if count else "") + "\n" + ",\n".join(lines))
            count += len(batch)
        if text is not None:
            text.write("\n]}\n")


def require_closed(package: Path) -> None:
    """Refuse to replace a GeoPackage that is open elsewhere: changes kept beside it would be put into the new one."""
    for ending in ("-wal", "-shm", "-journal"):
        beside = package.with_name(package.name + ending)
        if beside.exists():
            raise UserError(f"{beside} exists: close {package.name} in QGIS, or remove what is left over")


def _batches(features: Iterator[Feature]) -> Iterator[list[Feature]]:
    """At least one, which may be empty: a layer without cracks is a result."""
    batch = list(itertools.islice(features, BATCH))
    yield batch
    while batch := list(itertools.islice(features, BATCH)):
        yield batch


def _append(path: Path, batch: Sequence[Feature], columns: Sequence[str], crs: CRS | None, append: bool) -> None:
    """Write features into a GeoPackage."""
    import shapely
    from pyogrio import raw

    shapes = [shapely.multilinestrings([shapely.linestrings(line) for line in one.lines]) for one in batch]
    geometry = np.array([shapely.to_wkb(shape) for shape in shapes], object)
    more = {} if append else {"dataset_options": {"VERSION": "1.3"}, "layer_options": {"FID": "fid"}}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # a mosaic may have no place
        raw.write(
            path,
            geometry,
            field_data=[_column(name, batch) for name in columns],
            fields=list(columns),
            layer=LAYER,
            driver="GPKG",
            geometry_type="MultiLineString",
            crs=None if crs is None else _name(crs),
            append=append,
            **more,
        )


def _column(name: str, batch: Sequence[Feature]) -> np.ndarray:
    """The values of a column; of numbers, what is not there is no number."""
    values = [one.values[name] for one in batch]
    if name in TEXTS:
        return np.array(values, object)
    if name in WHOLE:
        return np.array(values, np.int64)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _name(crs: CRS) -> str:
    """Its EPSG code where that is the same system, and not one that is near it, such as without its datum's shift."""
    code = crs.to_epsg()
    same = code is not None and crs.from_epsg(code) == crs
    return f"EPSG:{code}" if same else crs.to_wkt()


def _as_geojson(batch: Sequence[Feature], crs: CRS | None) -> Iterator[dict[str, object]]:
    """The features with coordinates in longitude and latitude."""
    from rasterio.warp import transform

    points = np.concatenate([line for one in batch for line in one.lines])
    extra = [(one.values["widest_x"], one.values["widest_y"]) for one in batch]
    known = [place for place in extra if place[0] is not None]
    x, y = (list(points[:, axis]) + [place[axis] for place in known] for axis in (0, 1))
    longitude, latitude = transform(crs, "EPSG:4326", x, y)
    degrees = iter(np.round(np.stack([longitude, latitude], 1), DECIMALS).tolist())
    placed: list[Lines] = [[list(itertools.islice(degrees, len(line))) for line in one.lines] for one in batch]  # type: ignore[misc]
    for one, lines, place in zip(batch, placed, extra, strict=True):
        values = dict(one.values)
        if place[0] is not None:
            values["widest_x"], values["widest_y"] = next(degrees)
        shape = {"type": "LineString", "coordinates": lines[0]}
        if len(lines) > 1:
            shape = {"type": "MultiLineString", "coordinates": lines}  # type: ignore[dict-item]
        named = {} if one.values["part"] else {"id": one.values["id"]}  # parts of a crack share its number
        yield {"type": "Feature", **named, "properties": values, "geometry": shape}
