"""Photographs of unusual files: deep, floating, of several pages or bands, partly transparent, with damaged EXIF."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from contracts.errors import UserError
from data.decode import READS_HEIF, decode, header
from data.images import image_files, image_size, list_images, passed_over, read_image, read_photograph
from data.synthetic import SyntheticSource


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return SyntheticSource(12, size=96, seed=5).load(1)[0][:80].copy()


def deep(photo: np.ndarray, bits: int) -> np.ndarray:
    """The photograph in more bits, its brightest value full."""
    return np.rint(photo / photo.max() * (2**bits - 1)).astype(np.uint16)


def assert_close(read: np.ndarray, expected: np.ndarray, within: float = 1.0) -> None:
    assert read.shape == expected.shape and read.dtype == np.uint8
    assert np.abs(read.astype(float) - expected).max() <= within


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("colour", [False, True])
def test_depth_is_found_and_told(tmp_path: Path, photo: np.ndarray, bits: int, suffix: str, colour: bool) -> None:
    path = tmp_path / f"photo{suffix}"
    values = deep(photo, bits) if colour else deep(photo, bits)[:, :, 1]
    cv2.imwrite(str(path), values[:, :, ::-1] if colour else values)
    expected = np.atleast_3d(values) * (255 / (2**bits - 1))
    found = read_photograph(path)
    assert_close(found.pixels, np.broadcast_to(expected, photo.shape), 0.5)
    (note,) = found.notes
    assert f"{bits} bits" in note and "bits: 16" in note


def test_depth_can_be_said(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "dark.png"
    cv2.imwrite(str(path), deep(photo, 12)[:, :, ::-1])
    dark = read_photograph(path, bits=16)
    np.testing.assert_array_equal(dark.pixels, deep(photo, 12) >> 8)  # the high byte, as for any 16-bit colour file
    assert dark.notes == ()
    assert_close(read_image(path, bits=14), deep(photo, 12) * (255 / (2**14 - 1)), 0.5)
    with pytest.raises(UserError, match=r"dark.png.*4095, more than bits: 10"):
        read_image(path, bits=10)


def test_black_deep_file_has_nothing_to_tell(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((9, 9), np.uint16))
    assert read_photograph(tmp_path / "black.png").notes == ()


@pytest.mark.parametrize("order", ["thumbnail first", "thumbnail last"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_largest_page_is_read(tmp_path: Path, photo: np.ndarray, order: str, dtype: type) -> None:
    path, full = tmp_path / "pages.tif", photo.astype(dtype) * (257 if dtype == np.uint16 else 1)
    pages = [full[::4, ::4], full] if order == "thumbnail first" else [full, full[::4, ::4]]
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, photometric="rgb")
    found = read_photograph(path)
    np.testing.assert_array_equal(found.pixels, photo)
    assert image_size(path) == photo.shape[:2]
    number = 2 if order == "thumbnail first" else 1
    assert found.notes == (f"2 pages: page {number}, the largest, is read",)


@pytest.mark.parametrize("bands", [4, 5])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_bands_beyond_colour_are_left_out(
    tmp_path: Path, photo: np.ndarray, bands: int, photometric: str, planar: str
) -> None:
    path = tmp_path / "bands.tif"
    values = np.dstack([photo, 255 - photo])[:, :, :bands]
    stored = values if planar == "contig" else values.transpose(2, 0, 1)
    extra = ["unspecified"] * (bands - 3 if photometric == "rgb" else bands - 1)
    tifffile.imwrite(path, stored, photometric=photometric, planarconfig=planar, extrasamples=extra)
    found = read_photograph(path)
    np.testing.assert_array_equal(found.pixels, photo)
    assert found.notes == (f"{bands} bands: the first three are read as red, green and blue",)
    assert found.transparent is None
    assert image_size(path) == photo.shape[:2]


@pytest.mark.parametrize("full", [1, 255])
@pytest.mark.parametrize("colour", [False, True])
def test_floats_are_read_by_their_range(tmp_path: Path, photo: np.ndarray, full: int, colour: bool) -> None:
    path, values = tmp_path / "float.tif", photo if colour else photo[:, :, 0]
    tifffile.imwrite(path, (values / np.float32(255) * full).astype(np.float32))
    found = read_photograph(path)
    assert_close(found.pixels, np.broadcast_to(np.atleast_3d(values), photo.shape), 0)
    assert found.notes == (f"float values: read as 0 to {full}",)


@pytest.mark.parametrize("factor", [-1.0, 100.0])
def test_floats_that_are_no_brightness(tmp_path: Path, photo: np.ndarray, factor: float) -> None:
    tifffile.imwrite(tmp_path / "height.tif", photo.astype(np.float32) * factor)
    with pytest.raises(UserError, match=r"height.tif.*values from .*floats from 0 to 1"):
        read_image(tmp_path / "height.tif")


def surround(photo: np.ndarray) -> np.ndarray:
    """Where a map's picture has data: a tilted square in the middle."""
    rows, columns = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]]
    return np.abs(rows - photo.shape[0] / 2) + np.abs(columns - photo.shape[1] / 2) < 36


@pytest.mark.parametrize("kind", ["png", "png of 16 bits", "tif", "palette", "nodata tag", "not a number"])
def test_transparent_pixels_take_the_colours_around_them(tmp_path: Path, photo: np.ndarray, kind: str) -> None:
    inside = surround(photo)
    hollow = np.where(inside[:, :, None], np.maximum(photo, 1), 0)
    path = tmp_path / ("photo.png" if "png" in kind or kind == "palette" else "photo.tif")
    rgba = np.dstack([hollow, inside * np.uint8(255)])
    if kind == "nodata tag":
        tifffile.imwrite(path, hollow, photometric="rgb", extratags=[(42113, "s", 0, "0", True)])
    elif kind == "not a number":
        tifffile.imwrite(path, np.where(inside[:, :, None], hollow / np.float32(255), np.nan).astype(np.float32))
    elif kind == "png of 16 bits":
        cv2.imwrite(str(path), cv2.cvtColor(rgba.astype(np.uint16) * 257, cv2.COLOR_RGBA2BGRA))
    elif kind == "palette":
        grey = Image.fromarray(np.maximum(hollow[:, :, 0], inside)).convert("P")
        grey.save(path, transparency=0)
    else:
        Image.fromarray(rgba).save(path)
    found = read_photograph(path)
    np.testing.assert_array_equal(found.transparent, ~inside)
    if kind != "palette":
        np.testing.assert_array_equal(found.pixels[inside], hollow[inside])
    step = np.abs(np.diff(found.pixels[:, :, 0].astype(float), axis=1))
    across = inside[:, 1:] != inside[:, :-1]
    assert step[across].mean() < 2 * step[inside[:, 1:] & inside[:, :-1]].mean()  # an edge to black would be 10 times


def test_opacity_of_nothing_is_no_hole(tmp_path: Path, photo: np.ndarray) -> None:
    Image.fromarray(np.dstack([photo, np.zeros(photo.shape[:2], np.uint8)])).save(tmp_path / "photo.png")
    found = read_photograph(tmp_path / "photo.png")
    np.testing.assert_array_equal(found.pixels, photo)
    assert found.transparent is None and "transparent everywhere" in found.notes[0]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_damaged_exif_data_is_ignored_and_told(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(photo).save(path, exif=b"Exif\0\0MM\0\x99damaged" + bytes(20), lossless=True)
    found = read_photograph(path)
    np.testing.assert_array_equal(found.pixels, photo)
    assert "EXIF data is damaged" in found.notes[0]
    assert header(path) == (*photo.shape[:2], 1)
    assert list_images(path) == [path]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", ["half of it zero", "one bit"])
def test_a_png_that_was_damaged_is_refused(tmp_path: Path, photo: np.ndarray, depth: int, kind: str) -> None:
    """As copying or a failing disk leaves it, at its full length."""
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photo if depth == 8 else photo.astype(np.uint16) * 257)
    assert read_image(path).shape == photo.shape
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:] = bytes(len(content) - middle) if kind != "one bit" else content[middle:]
    content[middle] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read image '.*photo.png': .*; replace or remove"):
        read_image(path)


@pytest.mark.parametrize("orientation", [3, 6])
def test_deep_colour_is_turned_too(tmp_path: Path, photo: np.ndarray, orientation: int) -> None:
    path = tmp_path / "photo.tif"
    stored = np.rot90(photo, 1 if orientation == 6 else 2)
    tifffile.imwrite(path, stored * np.uint16(257), photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(read_image(path), photo)
    assert image_size(path) == photo.shape[:2]
    assert decode(path).orientation == orientation


def test_more_pixels_than_pillow_allows(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (14_000, 13_000)).save(path, compress_level=1)
    assert image_size(path) == (13_000, 14_000)


@pytest.mark.parametrize("suffix", [".gif", ".jfif"])
def test_other_suffixes(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    written = Image.fromarray(photo) if suffix == ".jfif" else Image.fromarray(photo).quantize(256)
    written.save(path, quality=100, subsampling=0, format="GIF" if suffix == ".gif" else "JPEG")
    assert_close(read_image(path), np.array(written.convert("RGB")), 5)
    assert image_files(tmp_path) == [path]


def test_first_frame_is_told(tmp_path: Path, photo: np.ndarray) -> None:
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:], lossless=True)
    found = read_photograph(tmp_path / "film.webp")
    np.testing.assert_array_equal(found.pixels, photo)
    assert found.notes == ("2 frames: the first is read",)


def test_what_is_passed_over_is_counted(tmp_path: Path, photo: np.ndarray) -> None:
    for name in ("a.png", "notes.txt", "b.CR2", "c.cr2", ".hidden.txt", "Thumbs.db", "plain"):
        (tmp_path / name).write_bytes(b"")
    assert passed_over(tmp_path) == "2 .cr2, 1 .txt, 1 no suffix"
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError, match="no image in folder.*passed over: 2 .cr2"):
        list_images(tmp_path)


@pytest.mark.skipif(READS_HEIF, reason="the plug-in is there")
def test_heic_without_its_plugin(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    assert "1 .heic (HEIC is read after 'pip install pillow-heif')" in passed_over(tmp_path)
    with pytest.raises(UserError, match=r"IMG_1.HEIC.*pip install pillow-heif"):
        read_image(tmp_path / "IMG_1.HEIC")
