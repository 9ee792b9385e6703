"""Rasters of a byte a pixel in the work folder, and cloud-optimised GeoTIFF files made of them.

A level of an overview holds the largest of 2 x 2 pixels of the level before: thin cracks stay visible from afar, where
other ways of reducing lose them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from contracts.files import write_text
from engine.mosaic.geotiff import Mosaic, Span
from engine.mosaic.grid import ABSENT
from engine.runtime.progress import Progress

if TYPE_CHECKING:
    from rasterio.io import DatasetWriter

BLOCK = 1024  # px; what is done at once, of blocks of the file
STORED = 512  # px; side of a block in files
SHOWN_FROM = 100  # blocks; fewer are done before anybody looks at a bar
SMALLEST = 512  # px; no overview of what fits into one block
MADE_WITH = "MADE_WITH"  # tag of results: what they were made with, JSON

Window = tuple[Span, Span]


def blocks(height: int, width: int, side: int = BLOCK) -> Iterator[Window]:
    """The blocks of a raster, row by row: spans of rows and columns."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield (top, min(top + side, height)), (left, min(left + side, width))


def create(path: Path, height: int, width: int) -> DatasetWriter:
    """A raster to be written block by block; what is never written is absent."""
    import rasterio

    path.parent.mkdir(parents=True, exist_ok=True)
    layout = {"tiled": True, "blockxsize": STORED, "blockysize": STORED, "sparse_ok": True, "bigtiff": "yes"}
    shape = {"height": height, "width": width, "count": 1, "dtype": "uint8", "nodata": ABSENT}
    return rasterio.open(path, "w", driver="GTiff", compress="deflate", zlevel=1, **shape, **layout)


def write(file: DatasetWriter, window: Window, values: NDArray[np.uint8]) -> None:
    """Write a block [h,w], unless all of it is absent."""
    if not (values == ABSENT).all():
        file.write(values, 1, window=window)


def largest(values: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The largest of factor x factor pixels [h/factor,w/factor], rounded up; absent where all of them are."""
    if factor == 1:
        return values
    height, width = values.shape
    known = np.pad(values, ((0, -height % factor), (0, -width % factor)), constant_values=ABSENT) + np.uint8(1)
    rows, columns = known.shape[0] // factor, known.shape[1] // factor
    return known.reshape(rows, factor, columns, factor).max((1, 3)) - np.uint8(1)  # 0 is absent: 255 + 1 in a byte


def write_levels(
    folder: Path, name: str, size: tuple[int, int], block: Callable[[Window], NDArray[np.uint8]]
) -> list[Path]:
    """Write a raster and its overviews.

    Args:
        folder: where.
        name: beginning of the files' names.
        size: height and width.
        block: gives the values of a window.

    Returns:
        The files, each half as large as the one before.
    """
    import rasterio

    files = [folder / f"{name}_0.tif"]
    windows = list(blocks(*size))
    with create(files[0], *size) as file, Progress(len(windows), name, quiet=len(windows) < SHOWN_FROM) as bar:
        for window in windows:
            write(file, window, block(window))
            bar.update()
    while max(size) > SMALLEST:
        with ExitStack() as stack:
            finer = stack.enter_context(rasterio.open(files[-1]))
            size = (-(-size[0] // 2), -(-size[1] // 2))
            files.append(folder / f"{name}_{len(files)}.tif")
            file = stack.enter_context(create(files[-1], *size))
            for window in blocks(*size, BLOCK // 2):
                (top, bottom), (left, right) = window
                around = (2 * top, min(2 * bottom, finer.height)), (2 * left, min(2 * right, finer.width))
                write(file, window, largest(finer.read(1, window=around), 2))
    return files


def publish(files: list[Path], like: Mosaic, made_with: Mapping[str, Any], scaled: float) -> Path:
    """Make a cloud-optimised GeoTIFF of a raster and its overviews beside them, and remove these.

    Args:
        files: as ``write_levels`` returned them.
        like: the mosaic, whose place on the ground is taken.
        made_with: written into the file.
        scaled: what a value is multiplied by to get what it stands for.

    Returns:
        The file.

    Raises:
        Unwritable: where the disk refuses.
    """
    import rasterio
    from rasterio.shutil import copy

    with rasterio.open(files[0]) as file:
        height, width = file.shape
    place = "" if like.crs is None else f"<SRS>{escape(like.crs.to_wkt())}</SRS>"
    if not like.transform.is_identity:
        place += f"<GeoTransform>{','.join(map(repr, like.transform.to_gdal()))}</GeoTransform>"
    tags = {MADE_WITH: json.dumps(dict(made_with), sort_keys=True), "AREA_OR_POINT": "Area"}
    metadata = "".join(f'<MDI key="{key}">{escape(value)}</MDI>' for key, value in tags.items())
    levels = "".join(f"<Overview>{_source(file)}</Overview>" for file in files[1:])
    band = f"<NoDataValue>{ABSENT}</NoDataValue><Scale>{scaled!r}</Scale>{levels}"
    text = (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{place}<Metadata>{metadata}</Metadata>'
        f'<VRTRasterBand dataType="Byte" band="1" blockXSize="{STORED}" blockYSize="{STORED}">{band}'
        f"<SimpleSource>{_source(files[0])}</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    together, complete = files[0].with_suffix(".vrt"), files[0].with_name(files[0].name.replace("_0", ""))
    write_text(together, text)
    overviews = "FORCE_USE_EXISTING" if files[1:] else "NONE"
    options = {"compress": "DEFLATE", "level": 6, "blocksize": STORED, "sparse_ok": "TRUE", "bigtiff": "IF_SAFER"}
    copy(together, complete, driver="COG", overviews=overviews, **options)
    for path in (together, *files):
        path.unlink()
    return complete


def _source(file: Path) -> str:
    return f'<SourceFilename relativeToVRT="1">{escape(file.name)}</SourceFilename><SourceBand>1</SourceBand>'


def made_with_of(path: Path) -> dict[str, Any] | None:
    """What ``publish`` wrote into a file; None for another file."""
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path) as file:
            record = json.loads(file.tags().get(MADE_WITH, "null"))
    except (RasterioError, ValueError):
        return None
    return record if isinstance(record, dict) else None
