"""What cameras write: kept without what the pixels no longer are, and read as date and place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from data.exif import CameraData, read_camera_data

PLACE = {1: "S", 2: (33.0, 51.0, 24.5), 3: "E", 4: (151.0, 12.0, 54.0), 5: b"\x01", 6: 12.5}


def exif_of(details: dict, place: dict, **tags: object) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    for name, value in tags.items():
        exif[int(name.removeprefix("t"), 16)] = value
    exif.get_ifd(0x8769).update(details)
    exif.get_ifd(0x8825).update(place)
    return exif


def written(folder: Path, exif: Image.Exif | bytes, name: str = "a.jpg") -> Path:
    Image.new("RGB", (12, 8)).save(folder / name, exif=exif)
    return folder / name


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_date_and_place(name: str, tmp_path: Path) -> None:
    details = {0x9003: "2024:05:06 07:08:09", 0x9011: "+02:00", 0x927C: b"notes" * 99, 0xA002: 12, 0x829A: 0.01}
    found = read_camera_data(written(tmp_path, exif_of(details, PLACE), name))
    assert found.taken == "2024-05-06T07:08:09+02:00"
    assert found.latitude == pytest.approx(-(33 + 51 / 60 + 24.5 / 3600), abs=1e-7)
    assert found.longitude == pytest.approx(151 + 12 / 60 + 54 / 3600, abs=1e-7) and found.altitude == -12.5
    kept = Image.Exif()
    kept.load(b"Exif\0\0" + found.exif)
    assert dict(kept) | {0x8769: 0, 0x8825: 0} == {0x010F: "Maker", 0x8769: 0, 0x8825: 0}
    assert set(kept.get_ifd(0x8769)) == {0x9003, 0x9011, 0x829A} and set(kept.get_ifd(0x8825)) == set(PLACE)


@pytest.mark.parametrize(
    ("details", "place", "taken"),
    [
        ({0x9003: "2024:05:06 07:08:09"}, {**PLACE, 1: "?"}, "2024-05-06T07:08:09"),
        ({0x9003: "    :  :     :  :  "}, {**PLACE, 2: (133.0, 0.0, 0.0)}, None),
        ({0x9003: "2024:13:06 07:08:09"}, {2: (1.0, 2.0, 3.0)}, None),
        ({}, {**PLACE, 4: (1.0, 2.0)}, None),
    ],
)
def test_what_is_no_date_or_place_is_none(details: dict, place: dict, taken: str | None, tmp_path: Path) -> None:
    found = read_camera_data(written(tmp_path, exif_of(details, place)))
    assert (found.taken, found.latitude, found.longitude, found.altitude) == (taken, None, None, None)


def test_the_date_of_the_file_where_no_other_is_told(tmp_path: Path) -> None:
    found = read_camera_data(written(tmp_path, exif_of({}, {}, t0132="2023:01:02 03:04:05")))
    assert found.taken == "2023-01-02T03:04:05"


def test_nothing_and_damage(tmp_path: Path) -> None:
    Image.new("RGB", (12, 8)).save(tmp_path / "plain.png")
    (tmp_path / "text.jpg").write_text("no photograph")
    broken = written(tmp_path, b"Exif\0\0II*\0\xff\xff\xff\xff", "broken.jpg")
    for path in (tmp_path / "plain.png", tmp_path / "text.jpg", broken):
        assert read_camera_data(path) == CameraData()


def test_of_a_tiff_file_nothing_is_kept_that_says_how_it_is_stored(tmp_path: Path) -> None:
    kept = Image.Exif()
    kept.load(b"Exif\0\0" + read_camera_data(written(tmp_path, exif_of({}, {}), "a.tif")).exif)
    assert dict(kept) == {0x010F: "Maker"}


def test_only_an_orientation_is_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_camera_data(written(tmp_path, exif)).exif == b""
    content = io.BytesIO()
    Image.new("L", (9, 9)).save(content, "PNG", exif=read_camera_data(written(tmp_path, exif_of({}, PLACE))).exif)
    assert Image.open(content).getexif().get_ifd(0x8825)[1] == "S"
