"""What the page keeps and shows of a photograph is what the rest of the project predicts and measures."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import csbsr
from contracts.errors import UserError
from data.images import Photograph
from engine.predict.photo import Prediction
from engine.predict.source import find_source
from engine.serve.finder import Finder
from engine.serve.found import Found
from engine.serve.markup import answer, comparison, table
from engine.serve.pictures import marked
from engine.serve.received import MOST_BYTES, Received, drawn, receive
from engine.serve.report import as_csv, as_pdf
from engine.serve.words import decimals, headline, rounded
from metrics.figure import Figure
from metrics.scale import Scale

SIZE, LENGTH, WIDTH = (60, 150), 100, 5  # px of the photograph
DRAWN_AT = 0.7


def bar(scale: int = 1, name: str = "wall.png", weak: float = 0.3) -> Found:
    """A lying bar of LENGTH x WIDTH px, as if it was found, a weak one below it, and a speck of 2 px."""
    height, width = (side * scale for side in SIZE)
    fine = np.zeros((height, width), np.float32)
    fine[20 * scale : (20 + WIDTH) * scale, 25 * scale : (25 + LENGTH) * scale] = DRAWN_AT
    fine[40 * scale : 43 * scale, 25 * scale : 125 * scale] = weak
    fine[5 * scale : 6 * scale, 5 * scale : 7 * scale] = 0.9
    photo = Photograph(np.full((*SIZE, 3), 128, np.uint8), None, ())
    restored = np.full((height, width, 3), 128, np.uint8) if scale > 1 else None
    prediction = Prediction(fine, fine, restored=restored, scale=scale)
    return Found(Received(name, photo), prediction, "as drawn", 0, 1.0)


@pytest.mark.parametrize("scale", [1, 4])
def test_lengths_and_widths_are_those_of_the_photograph(scale: int) -> None:
    shown = bar(scale).at(0.5)
    (crack,) = shown.measured
    assert crack.length and crack.length.value == pytest.approx(LENGTH, abs=1)
    assert crack.max_width and crack.max_width.value == pytest.approx(WIDTH, abs=0.3)
    assert crack.area == LENGTH * WIDTH and crack.box == (20, 25, 25, 125)
    assert crack.widest and crack.widest[0] == pytest.approx(22, abs=0.3)  # its middle row
    assert len(shown.cracks) == 2 and shown.fraction == pytest.approx((LENGTH * WIDTH + 2) / (SIZE[0] * SIZE[1]))
    assert len(bar(scale).at(0.2).measured) == 2


def test_the_answer_in_one_line() -> None:
    plain = headline(bar().at(0.5), None).replace("\u00a0", " ")
    assert plain.startswith("1 crack, 100") and "px long, widest 5" in plain and plain.endswith("px")
    both = headline(bar().at(0.2), Scale(0.5)).replace("\u00a0", " ")
    assert both.startswith("2 cracks, ") and 99 < float(both.split()[2]) < 101 and "mm in all, widest 2.5" in both
    assert headline(bar().at(0.8), None) == "Nothing large enough to measure"
    assert headline(bar().at(0.95), None) == "No cracks found"


def test_figures_are_rounded_by_their_uncertainty() -> None:
    assert [decimals(value) for value in (30.0, 4.0, 1.4, 0.5, 0.14, 0.03, 0.0, 1e-9)] == [0, 0, 1, 1, 2, 2, 1, 3]
    assert rounded(Figure(412.3, 4.2)).replace("\u00a0", " ") == "412 ± 4"
    assert rounded(Figure(1.8123, 0.14)).replace("\u00a0", " ") == "1.81 ± 0.14"


def test_small_regions_are_left_out_at_every_threshold() -> None:
    found = replace(bar(), minimum_area=50)
    assert len(found.at(0.5).cracks) == 1 and len(found.at(0.2).cracks) == 2
    assert found.at(0.8).cracks == () and headline(found.at(0.8), None) == "No cracks found"


def test_without_skan_the_share_is_told_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skan", None)
    found = bar()
    shown = found.at(0.5)
    assert headline(shown, None) == "Cracks on 5.6% of the photograph"
    assert "pip install skan" in answer(found, shown, None) and table(shown, None) == ""
    assert b"%PDF" in as_pdf(found, shown, None, "weights")


def test_names_are_no_markup() -> None:
    found = bar(name="<img src=x onerror=alert(1)>.png")
    assert "<img src=x" not in answer(found, found.at(0.5), None)


def test_pictures_mark_what_was_found_and_nothing_else() -> None:
    found = bar()
    picture, factor = marked(found, found.at(0.5)).astype(int), 900 / SIZE[1]
    red, blue = picture[..., 0], picture[..., 2]
    assert picture.shape[:2] == (360, 900)
    at = [(int(row * factor), int(column * factor)) for row, column in ((22.5, 30), (41.5, 30), (55, 100))]
    assert [red[place] > blue[place] + 20 for place in at] == [True, False, False]
    assert comparison(found, found.at(0.5)).count("data:image/jpeg;base64,") == 2


def test_the_table_as_a_file() -> None:
    found = bar(4)
    rows = list(csv.DictReader(io.StringIO(as_csv(found, found.at(0.5), Scale(0.5, 0.01)))))
    assert [row["image"] for row in rows] == ["wall.png", "wall.png"] and rows[1]["reason"] == "shorter than 5 px"
    assert float(rows[0]["length_px"]) == pytest.approx(LENGTH, abs=1)
    assert float(rows[0]["length_mm"]) == pytest.approx(LENGTH / 2, abs=0.5)
    assert float(rows[0]["area_mm2"]) == LENGTH * WIDTH / 4
    assert as_csv(found, found.at(0.95), None) == "image,crack\r\n"


def test_a_name_is_no_formula_in_the_table() -> None:
    name = "=HYPERLINK(1).png"
    found = bar(name=name)
    rows = list(csv.DictReader(io.StringIO(as_csv(found, found.at(0.5), None))))
    assert [row["image"] for row in rows] == [f"'{name}"] * 2


@pytest.mark.filterwarnings("error")
def test_the_report_has_as_many_pages_as_it_needs() -> None:
    many = np.zeros((300, 200), np.float32)
    for row in range(5, 300, 12):  # 25 cracks
        many[row : row + 4, 20:180] = 0.9
    photo = Photograph(np.full((300, 200, 3), 90, np.uint8), None, ())
    crowded = Found(Received("名前 $x^2$ (1).png", photo), Prediction(many, many), "as drawn", 0, 1.0)
    for found, pages in ((bar(), 1), (crowded, 2)):
        content = as_pdf(found, found.at(0.5), Scale(0.2), "weights/compact, step 1500")
        assert content.startswith(b"%PDF") and content.count(b"/Type /Page ") + content.count(b"/Type /Page\n") == pages


# -- the network ----------------------------------------------------------------------------------


@pytest.mark.parametrize("restore", ["always", "never"])
def test_another_threshold_needs_no_network_and_gives_what_prediction_gives(tiny_weights: Path, restore: str) -> None:
    """The kept probability is that of ``csbsr.load``, and its small regions go as there."""
    pixels = drawn().photo.pixels[:64, :80]
    finder = Finder(find_source(None, str(tiny_weights), "float32"), minimum_area=5)
    found = finder.find(Received("a.png", Photograph(pixels, None, ())), restore)
    del finder
    find_cracks = csbsr.load(tiny_weights, precision="float32")
    for threshold in np.quantile(found.prediction.fine, (0.3, 0.9)).round(3):
        expected = find_cracks(pixels, threshold=float(threshold), restore=restore, minimum_area=5)
        shown = found.at(float(threshold))
        np.testing.assert_allclose(shown.probability, expected.probability, atol=1e-6)
        assert shown.fraction == pytest.approx(expected.crack_fraction(), abs=1e-3)
    assert found.how == expected.how


def test_photographs_too_large_to_restore_are_refused_before_the_work(tiny_weights: Path) -> None:
    finder = Finder(find_source(None, str(tiny_weights), "float32"))
    large = Received("large.png", Photograph(np.zeros((3000, 2100, 3), np.uint8), None, ()))
    with pytest.raises(UserError, match="large.png has 6 megapixels; the page restores up to 6"):
        finder.find(large, "always")


# -- what is received -----------------------------------------------------------------------------


def test_refusals_name_the_file_and_not_its_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "notes.jpg").write_text("no image")
    (tmp_path / "large.png").write_bytes(b"")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    Image.new("1", (8000, 6300)).save(tmp_path / "wide.png")
    refusals = {
        "notes.txt": "is no photograph. The page takes images: JPG,",
        "notes.jpg": "not an image",
        "large.png": "large.png has 40 MB; the page takes up to 40",
        "wide.png": "wide.png has 50 megapixels; the page takes up to 50",
    }
    for name, message in refusals.items():
        with pytest.raises(UserError, match=message) as caught:
            receive(tmp_path / name)
        assert name in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_a_photograph_is_read_as_everywhere(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    Image.new("RGB", (30, 20), (9, 99, 200)).save(tmp_path / "turned.jpg", exif=exif)
    assert receive(tmp_path / "turned.jpg").size == (30, 20)
