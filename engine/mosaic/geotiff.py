"""GeoTIFF files window by window: what their bands mean, where they show nothing, and what cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contracts.errors import UserError
from data.depth import fill, to_bytes

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from rasterio.io import DatasetReader
    from rasterio.transform import Affine

Span = tuple[int, int]  # first, and the one behind the last

CACHE_MB = 64  # of GDAL's blocks; its default, 5% of the machine's memory, is no constant
OPAQUE = 128  # of 0..255: as photographs, half opaque on
WIDE_STRIP = 16384  # px; of files that are not tiled, wider ones are decoded many times over
COLOURS = ("red", "green", "blue")
REPAIR = "convert it with gdal_translate"


def require_packages() -> None:
    """Raise UserError unless the packages of the optional extra ``geo`` can be imported."""
    try:
        import pyogrio  # noqa: F401
        import rasterio  # noqa: F401
        import shapely  # noqa: F401
        import skan  # noqa: F401
    except ImportError as error:
        packages = "pip install rasterio pyogrio shapely skan (or the extra geo)"
        raise UserError(f"mosaics need packages that are missing ({error}): {packages}") from None


@contextmanager
def gdal() -> Iterator[None]:
    """GDAL with a cache of constant size; its errors are told as errors of the user's files."""
    import rasterio
    from pyogrio.errors import DataSourceError, FieldError
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield
    except (RasterioError, CPLE_BaseError, DataSourceError, FieldError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"GDAL: {text}; is the file whole, and the disk not full?") from None


@dataclass(frozen=True)
class Mosaic:
    """An open GeoTIFF file.

    Attributes:
        path: of the file.
        file: open.
        bands: numbers of red, green and blue, or of grey, or of a palette's index.
        palette: [256,3] uint8, or None.
        bits: of 16-bit values, or None.
    """

    path: Path
    file: DatasetReader
    bands: tuple[int, ...]
    palette: NDArray[np.uint8] | None = None
    bits: int | None = None

    @property
    def height(self) -> int:
        """Pixels."""
        return self.file.height

    @property
    def width(self) -> int:
        """Pixels."""
        return self.file.width

    @property
    def transform(self) -> Affine:
        """From columns and rows, counted from the outer corner of the first pixel, to coordinates."""
        return self.file.transform

    @property
    def crs(self) -> CRS | None:
        """Of the coordinates; None without a transform, as columns and rows are no coordinates of a system."""
        return None if self.transform.is_identity else self.file.crs

    @property
    def megapixels(self) -> float:
        """Size."""
        return self.height * self.width / 1e6

    def read(self, rows: Span, columns: Span) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """A window.

        Args:
            rows: first, and the one behind the last.
            columns: likewise.

        Returns:
            RGB, uint8 [h,w,3], ``continued`` where it shows nothing; and where that is, bool [h,w].
        """
        window = (rows, columns)
        values = self.file.read(list(self.bands), window=window)  # [C,h,w]
        absent = self._absent(values, window)
        values[:, absent] = 0  # no data may be a value that the depth does not allow, as 65535 of 12 bits
        if self.palette is not None:
            pixels = self.palette[values[0]]
        else:
            try:
                pixels = to_bytes(values, self.bits)[0].transpose(1, 2, 0)
            except ValueError as error:
                raise UserError(f"{self.path}: {error}") from None
            pixels = np.repeat(pixels, 3, axis=2) if len(self.bands) == 1 else pixels
        pixels = np.ascontiguousarray(pixels)
        if absent.any() and not absent.all():
            pixels = continued(pixels, absent)
        return pixels, absent

    def _absent(self, values: NDArray, window: tuple[Span, Span]) -> NDArray[np.bool_]:
        """Which pixels of a window show nothing; GDAL's own way of telling costs as much as reading them."""
        flags = {flag.name for band in self.bands for flag in self.file.mask_flag_enums[band - 1]}
        if flags == {"all_valid"}:
            return np.zeros(values.shape[1:], bool)
        if flags == {"nodata"} and values.dtype.kind == "u":
            return (values == np.array([self.file.nodatavals[band - 1] for band in self.bands])[:, None, None]).all(0)
        return self.file.dataset_mask(window=window) < OPAQUE

    def shown(self) -> str:
        """What tells where it shows nothing, files beside it included: two alike show nothing in the same places."""
        flags = [sorted(flag.name for flag in of) for of in self.file.mask_flag_enums]
        mask = self.path.with_name(f"{self.path.name}.msk")
        beside = (mask.stat().st_size, mask.stat().st_mtime_ns) if mask.is_file() else None
        return f"{self.bands} {self.file.nodatavals} {flags} {beside}"

    def slow(self) -> str:
        """What to know of a file that is slow to read by windows, "" otherwise."""
        height, width = self.file.block_shapes[0]
        if width < min(self.width, WIDE_STRIP) or self.width < WIDE_STRIP or self.file.compression is None:
            return ""
        return f"stored in rows of {width}x{height} pixels, slow to read; gdal_translate -co TILED=YES makes it quick"


def continued(pixels: NDArray[np.uint8], absent: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pixels that go on beyond their edge as in a mirror: colours alone would end the grain of a surface in a line.

    Args:
        pixels: uint8 [h,w,3].
        absent: which of them show nothing, bool [h,w].

    Returns:
        uint8 [h,w,3]; what has no mirror image gets the colours around.
    """
    nearest = ndimage.distance_transform_edt(absent, return_distances=False, return_indices=True)
    here = np.indices(absent.shape, np.int32)
    rows, columns = 2 * nearest - here
    inside = (rows >= 0) & (rows < absent.shape[0]) & (columns >= 0) & (columns < absent.shape[1])
    rows, columns = np.where(inside, (rows, columns), nearest)
    mirrored = absent & inside & ~absent[rows, columns]
    return np.where(mirrored[:, :, None], pixels[rows, columns], fill(pixels, absent))


@contextmanager
def opened(path: Path, bits: int | None = None) -> Iterator[Mosaic]:
    """Open a mosaic for reading.

    Args:
        path: of the file.
        bits: the depth of the values in 16-bit files, or None.

    Raises:
        UserError: naming a file that is no readable raster, or whose values or bands are no photograph.
    """
    import rasterio
    from rasterio.errors import RasterioError

    if not path.is_file():
        raise UserError(f"no such file: '{path}'; correct the path")
    try:
        file = rasterio.open(path)
    except RasterioError as error:
        raise UserError(f"{path}: no readable GeoTIFF ({' '.join(str(error).split())}); give another file") from None
    with file:
        yield _checked(path, file, bits)


def _checked(path: Path, file: DatasetReader, bits: int | None) -> Mosaic:
    """The mosaic in an open file."""
    kinds = [kind.name for kind in file.colorinterp]
    if file.gcps[0] and file.transform.is_identity:
        raise UserError(f"{path}: placed by control points alone; rectify it first, with gdalwarp")
    if kinds[0] == "palette":
        _require_type(path, file.dtypes[0], ("uint8",), None)
        table = file.colormap(1)
        return Mosaic(path, file, (1,), np.array([table.get(index, (0, 0, 0))[:3] for index in range(256)], np.uint8))
    bands = _bands(path, kinds)
    _require_type(path, file.dtypes[bands[0] - 1], ("uint8", "uint16"), bits)
    return Mosaic(path, file, bands, None, bits if file.dtypes[bands[0] - 1] == "uint16" else None)


def _bands(path: Path, kinds: list[str]) -> tuple[int, ...]:
    """Which bands are looked at, by what they are said to be."""
    if all(colour in kinds for colour in COLOURS):
        return tuple(kinds.index(colour) + 1 for colour in COLOURS)
    plain = [number for number, kind in enumerate(kinds, 1) if kind != "alpha"]
    if len(plain) == 1:
        return (plain[0],)
    if len(plain) in (3, 4):  # of four, the last is infrared, or opacity that is not marked
        return tuple(plain[:3])
    told = f"{len(kinds)} bands ({', '.join(kinds)}), none of them marked as red, green and blue"
    raise UserError(f"{path}: {told}; {REPAIR} -b RED -b GREEN -b BLUE")


def _require_type(path: Path, dtype: str, allowed: tuple[str, ...], bits: int | None) -> None:
    """Refuse values that are no brightness of known depth."""
    if dtype not in allowed:
        raise UserError(f"{path}: {dtype} values, but 8 or 16 bits are read; {REPAIR} -ot Byte -scale")
    if dtype == "uint16" and bits is None:
        raise UserError(f"{path}: 16-bit values of unknown depth; give --bits 12, or 16 if they use the whole range")
