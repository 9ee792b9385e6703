"""Every kind of file that cameras and annotation tools write comes out as the same arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from data.images import image_size, list_images, read_image
from data.masks import read_mask
from tests.helpers.errors import error_of

HEIGHT, WIDTH = 24, 40


@pytest.fixture
def photo() -> np.ndarray:
    """A smooth colour image that JPEG keeps well, different in every corner."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([rows * 9, columns * 6, 200 - rows * 4], axis=2).astype(np.uint8)


@pytest.fixture
def stroke() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:8, 3:30] = 1
    return mask


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_colour_is_rgb(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    cv2.imwrite(str(path), photo[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
    np.testing.assert_array_equal(read_image(path), photo)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_modes_become_three_channels(tmp_path: Path, photo: np.ndarray, mode: str) -> None:
    path = tmp_path / "photo.tif"
    written = Image.fromarray(photo).convert(mode)
    written.save(path)
    expected = np.array(written.convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)


def test_alpha_is_dropped(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(np.dstack([photo, np.full((HEIGHT, WIDTH), 7, np.uint8)])).save(path)
    np.testing.assert_array_equal(read_image(path), photo)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled(tmp_path: Path, photo: np.ndarray, suffix: str, channels: int) -> None:
    path = tmp_path / f"photo{suffix}"
    deep = np.dstack([photo, photo[:, :, 0]])[:, :, :channels].astype(np.uint16) * 257
    cv2.imwrite(str(path), deep if channels == 1 else cv2.cvtColor(deep, cv2.COLOR_RGB2BGR))
    expected = np.repeat(photo[:, :, :1], 3, axis=2) if channels == 1 else photo
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_exif_orientation(tmp_path: Path, photo: np.ndarray, orientation: int, suffix: str) -> None:
    stored = {
        1: photo, 2: photo[:, ::-1], 3: photo[::-1, ::-1], 4: photo[::-1],
        5: photo.transpose(1, 0, 2), 6: np.rot90(photo), 7: np.rot90(photo.transpose(1, 0, 2), 2),
        8: np.rot90(photo, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=100, subsampling=0)
    assert np.abs(read_image(path).astype(int) - photo).max() <= (3 if suffix == ".jpg" else 0)
    assert image_size(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("full", [1, 255])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_mask_ranges_and_modes(tmp_path: Path, stroke: np.ndarray, full: int, mode: str) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(stroke * full).convert(mode).save(path)
    np.testing.assert_array_equal(read_mask(path), stroke)
    np.testing.assert_array_equal(read_mask(path, binarise=False), stroke.astype(np.float32))


@pytest.mark.parametrize("full", [1, 255, 65535])
def test_mask_of_sixteen_bits(tmp_path: Path, stroke: np.ndarray, full: int) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), stroke.astype(np.uint16) * full)
    np.testing.assert_array_equal(read_mask(path), stroke)


def test_mask_of_one_bit(tmp_path: Path, stroke: np.ndarray) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(stroke * 255).convert("1").save(path)
    np.testing.assert_array_equal(read_mask(path), stroke)


def test_coloured_and_transparent_masks(tmp_path: Path, stroke: np.ndarray) -> None:
    red, layer = tmp_path / "red.png", tmp_path / "layer.png"
    Image.fromarray(stroke[:, :, None] * np.array([255, 0, 0], np.uint8)).save(red)
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    Image.fromarray(np.dstack([white, stroke * 255])).save(layer)
    np.testing.assert_array_equal(read_mask(red), stroke)
    np.testing.assert_array_equal(read_mask(layer), stroke)


def test_half_range_decides(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.array([[0, 1, 127, 128, 255]], np.uint8))
    assert read_mask(path).tolist() == [[0, 0, 0, 1, 1]]
    soft = read_mask(path, binarise=False)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft, np.array([[0, 1, 127, 128, 255]]) / 255, atol=1e-7)


def test_jpeg_mask_is_never_zero_one(tmp_path: Path, stroke: np.ndarray) -> None:
    trace, real = tmp_path / "trace.jpg", tmp_path / "real.jpg"
    Image.fromarray(np.full((HEIGHT, WIDTH), 1, np.uint8)).save(trace, quality=100)
    Image.fromarray(stroke * 255).save(real, quality=95)
    assert read_mask(trace).sum() == 0
    np.testing.assert_array_equal(read_mask(real), stroke)


def test_unreadable_files_are_named(tmp_path: Path, photo: np.ndarray) -> None:
    text, cut = tmp_path / "notes.png", tmp_path / "cut.jpg"
    text.write_text("no picture")
    Image.fromarray(photo).save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    for path in (text, cut):
        assert path.name in error_of(read_image, path)
    with pytest.raises(UserError, match="no such file.*absent.jpg"):
        read_mask(tmp_path / "absent.jpg")
    floating = tmp_path / "float.tif"
    Image.fromarray(photo[:, :, 0].astype(np.float32) - 1).save(floating)
    with pytest.raises(UserError, match="8 or 16 bits"):
        read_image(floating)


def test_list_images(tmp_path: Path, photo: np.ndarray) -> None:
    for name in ("b.JPG", "a.png", ".hidden.png"):
        Image.fromarray(photo).save(tmp_path / name, format="PNG")
    (tmp_path / "readme.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG"]
    assert list_images(str(tmp_path / "a.png")) == [tmp_path / "a.png"]
    for bad, message in (("readme.txt", "cannot read"), ("empty", "no image"), ("absent", "no such file")):
        with pytest.raises(UserError, match=message):
            list_images(tmp_path / bad)
