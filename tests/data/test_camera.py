"""Scales of photographs from their EXIF data, worked out by hand for cameras whose sensors are known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from contracts.errors import UserError
from data.camera import EXIF_IFD, camera_of
from engine.predict.scale import ScaleChoice

PHONE = {0x920A: IFDRational(425, 100), 0xA405: 26}  # 4.25 mm, seen as by 26 mm


def photograph(path: Path, tags: dict[int, object], size: tuple[int, int] = (400, 300)) -> Path:
    image = Image.new("RGB", size)
    exif = image.getexif()
    exif.get_ifd(EXIF_IFD).update(tags)
    image.save(path, exif=exif)
    return path


def test_by_the_focal_plane(tmp_path: Path) -> None:
    """36 mm of sensor hold 6000 px, written as pixels for each inch; the file was reduced by 15 since."""
    tags = {0x920A: 50.0, 0xA20E: IFDRational(6000 * 254, 360), 0xA210: 2, 0xA002: 6000, 0xA003: 4500}
    camera = camera_of(photograph(tmp_path / "a.jpg", tags))
    assert camera.mm_per_pixel(2000) == pytest.approx(2000 * (36 / 400) / 50)
    centimetres = tags | {0xA20E: IFDRational(60000, 36), 0xA210: 3}
    assert camera_of(photograph(tmp_path / "b.jpg", centimetres)).pitch == pytest.approx(36 / 400)


def test_by_the_equivalent_focal_length(tmp_path: Path) -> None:
    """The view is that of 43.27 mm behind 26 mm, whatever the sensor: 500 px along the diagonal."""
    camera = camera_of(photograph(tmp_path / "a.jpg", PHONE))
    assert camera.mm_per_pixel(1500) == pytest.approx(1500 * math.hypot(36, 24) / 26 / 500)
    assert camera.relative == pytest.approx(0.0111, abs=1e-4)  # half a millimetre of 26, evenly spread


def test_a_photograph_that_was_turned(tmp_path: Path) -> None:
    """4000 px taken along 36 mm, turned and reduced by ten."""
    tags = PHONE | {0xA002: 4000, 0xA003: 3000}
    assert camera_of(photograph(tmp_path / "a.jpg", tags, (300, 400))).pitch == pytest.approx(
        math.hypot(36, 24) / 26 * 4.25 / 500
    )
    plane = {0x920A: 50.0, 0xA20E: IFDRational(40000, 36), 0xA210: 3, 0xA002: 4000, 0xA003: 3000}
    assert camera_of(photograph(tmp_path / "b.jpg", plane, (300, 400))).pitch == pytest.approx(36 / 400)


def test_a_reduced_photograph_whose_focal_plane_was_forgotten(tmp_path: Path) -> None:
    """An editor wrote the new size and kept the resolution, 15 times too fine: the equivalent focal length knows."""
    tags = {0x920A: 50.0, 0xA405: 50, 0xA20E: IFDRational(60000, 36), 0xA210: 3, 0xA002: 400, 0xA003: 300}
    assert camera_of(photograph(tmp_path / "a.jpg", tags)).pitch == pytest.approx(math.hypot(36, 24) / 500)


def test_digital_zoom_enlarges_a_part_of_the_sensor(tmp_path: Path) -> None:
    tags = {0x920A: 50.0, 0xA20E: IFDRational(4000, 36), 0xA210: 3, 0xA002: 400, 0xA003: 300}
    plain = camera_of(photograph(tmp_path / "a.jpg", tags)).pitch
    assert camera_of(photograph(tmp_path / "b.jpg", tags | {0xA404: 2.0})).pitch == pytest.approx(plain / 2)


def test_a_photograph_tells_its_scale(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.jpg", PHONE)
    scale = ScaleChoice(distance=1.5, scale_uncertainty=5).of(path, 300, 400)
    assert scale is not None and scale.mm_per_pixel == pytest.approx(1500 * 43.2666 / 26 / 500, rel=1e-5)
    assert scale.relative == pytest.approx(math.hypot(0.05, 0.0111), abs=1e-4)
    assert scale.origin == "1.5 m away, focal length 4.25 mm"
    assert ScaleChoice().of(path, 300, 400) is None


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({}, "tells no focal length; give --mm-per-pixel, --reference"),
        ({0x920A: 4.0}, "but not the size of the sensor"),
        ({0x920A: IFDRational(0, 0), 0xA405: 26}, "tells no focal length"),
        (PHONE | {0xA002: 4000, 0xA003: 2000}, r"was cropped after it was taken \(4000x2000, now 400x300 pixels\)"),
    ],
)
def test_what_exif_does_not_tell(tags: dict[int, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        camera_of(photograph(tmp_path / "a.jpg", tags))


def test_a_file_that_is_no_photograph(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"text")
    with pytest.raises(UserError, match=r"a.jpg: no EXIF data can be read .*; give --mm-per-pixel"):
        camera_of(tmp_path / "a.jpg")
