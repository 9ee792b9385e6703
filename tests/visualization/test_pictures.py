"""Panels, overlays and figures: sizes, colours and what they show."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from PIL import Image

from visualization.charts import bars, confusion, iou_over_threshold, precision_recall
from visualization.drawing import coloured, fitting, resized
from visualization.panels import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    FOOTER,
    GAP,
    HEADER,
    TRUE_POSITIVE,
    error_image,
    overlay,
    panel,
)


def sample(height=320, width=480, scale=4):
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    lr = hr[::scale, ::scale].copy()
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2] = 1
    prob = np.zeros((height, width), np.float32)
    prob[height // 2, : width // 2] = 0.9
    prob[0] = 0.6
    return lr, hr, prob, mask


def test_charts_show_every_condition(tmp_path):
    counts = {"clean": [90.0, 5.0, 10.0, 895.0], "degraded": [0.0, 0.0, 100.0, 900.0]}
    wide, narrow = confusion(counts, tmp_path / "confusion.png"), confusion({"clean": counts["clean"]})
    assert wide.shape[0] == narrow.shape[0] and wide.shape[1] == 2 * narrow.shape[1]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "confusion.png").convert("RGB")), wide)
    scores = {"clean": [0.5, 0.25], "degraded": [np.nan, 1.0]}
    drawn = bars(scores, ["IoU", "precision"])
    other = bars({**scores, "clean": [0.4, 0.25]}, ["IoU", "precision"])
    assert drawn.dtype == np.uint8 and not np.array_equal(drawn, other)


def test_error_colours_of_a_2x2_image():
    image = np.full((2, 2, 3), 100, np.uint8)
    result = error_image(image, np.array([[1, 1], [0, 0]]), np.array([[1, 0], [1, 0]]))
    assert tuple(result[0, 0]) == TRUE_POSITIVE
    assert tuple(result[0, 1]) == FALSE_POSITIVE
    assert tuple(result[1, 0]) == FALSE_NEGATIVE
    assert tuple(result[1, 1]) == (45, 45, 45)


def test_probability_colours_are_those_of_inferno():
    result = coloured(np.array([[0.0, 1.0, np.nan, 2.0]]))[0]
    low, high = (np.round(np.array(matplotlib.colormaps["inferno"](i)[:3]) * 255) for i in (0, 255))
    assert np.array_equal(result, [low, high, low, high])
    brightness = coloured(np.linspace(0, 1, 256)[None])[0] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(brightness) >= -1).all()


def test_panel_layout_and_content():
    lr, hr, prob, mask = sample()
    result = panel(lr, hr, hr, prob, mask, caption="001  Dice 0.5")
    assert result.dtype == np.uint8
    assert result.shape == (HEADER + 320 + FOOTER, 5 * (480 + GAP) + GAP, 3)
    columns = [result[HEADER : HEADER + 320, GAP + i * (480 + GAP) : GAP + i * (480 + GAP) + 480] for i in range(5)]
    assert np.array_equal(columns[0], lr.repeat(4, 0).repeat(4, 1))
    assert np.array_equal(columns[1], hr) and np.array_equal(columns[2], hr)
    assert np.array_equal(columns[3], coloured(prob))
    assert np.array_equal(columns[4], error_image(hr, prob >= 0.5, mask))
    assert (result[:HEADER] < 100).any() and (result[-FOOTER:, :490] < 100).any()  # title and caption


def test_panel_without_lr_and_sr_has_three_columns():
    _, hr, prob, mask = sample(448, 448)
    assert panel(None, None, hr, prob, mask).shape[1] == 3 * (448 + GAP) + GAP


def test_small_images_are_enlarged_and_large_ones_reduced():
    for size, side in ((40, 240), (1500, 480)):
        lr, hr, prob, mask = sample(size, size)
        assert panel(lr, hr, hr, prob, mask).shape == (HEADER + side + FOOTER, 5 * (side + GAP) + GAP, 3)


def blurred(size):
    """A disk as a blur kernel."""
    y, x = np.mgrid[:size, :size] - size // 2
    return (x**2 + y**2 <= (size // 3) ** 2).astype(np.float32)


SIDES = (1, 2, 7, 8, 24, 40, 79, 80, 200, 400, 1600)


@pytest.mark.parametrize("height", SIDES)
def test_panels_of_any_shape_show_everything(height):
    """Up to 1:1600, tiny and large: titles, all pictures in full, both kernels, caption and legend."""
    for width in SIDES:
        hr = np.full((height, width, 3), (0, 0, 255), np.uint8)
        prob, mask = np.ones((height, width), np.float32), np.zeros((height, width), np.uint8)
        lr = np.full((max(1, height // 4), max(1, width // 4), 3), (0, 255, 0), np.uint8)
        result = panel(lr, hr, hr, prob, mask, caption="a name", kernels=(blurred(21), blurred(21)))
        blue, green, red = ((result == colour).all(2).sum() for colour in ((0, 0, 255), (0, 255, 0), FALSE_POSITIVE))
        assert blue > 1.5 * green > 0 and red > green / 2, (height, width)
        assert max(result.shape) <= 5 * (480 + GAP) + GAP and min(result.shape[:2]) > HEADER + FOOTER
        kernel = (result == 255).all(2) & ~np.roll((result == 255).all(2), 1, 1)
        assert kernel.any() and (result[-FOOTER:, : result.shape[1] // 3] < 100).any(), (height, width)


def test_elongated_photographs_are_stacked_and_fill_the_width():
    lr, hr, prob, mask = sample(40, 400)
    result = panel(lr, hr, hr, prob, mask, caption="a", kernels=(blurred(21), blurred(21)))
    assert result.shape == (5 * (HEADER + 72) + FOOTER, 720 + 2 * GAP, 3)
    rows = [result[HEADER + i * (HEADER + 72) :][:72, GAP:-GAP] for i in range(5)]
    assert np.array_equal(rows[1], resized(hr, 72, 720)) and np.array_equal(rows[2], rows[1])
    assert np.array_equal(rows[3], resized(coloured(prob), 72, 720))
    header = result[:HEADER, -GAP - HEADER : -GAP]  # the kernel stands beside the title
    assert header[HEADER // 2, HEADER // 2].max() == 255 and header[5, 8].max() == 0
    tall = panel(*(array.swapaxes(0, 1) for array in (lr, hr, hr, prob, mask)))
    assert tall.shape == (HEADER + 480 + FOOTER, 5 * (200 + GAP) + GAP, 3)


def test_kernels_are_shown_in_the_corners():
    lr, hr, prob, mask = sample()
    delta = np.zeros((21, 21), np.float32)
    delta[10, 10] = 1
    result = panel(lr, hr, hr, prob, mask, kernels=(delta, delta))
    inset = result[HEADER : HEADER + 64, GAP : GAP + 64]
    assert inset[32, 32].min() == 255 and inset[:20, :20].max() == 0


def test_panel_names_what_differs_in_size():
    lr, hr, prob, mask = sample()
    with pytest.raises(ValueError, match="prob"):
        panel(lr, hr, hr, prob[:-1], mask)


def test_captions_are_fitted():
    text, face = fitting("a very long name of an image " * 10, 200, 15)
    assert text.endswith("\u2026") and face.getlength(text) <= 200
    assert fitting("short", 200, 15)[0] == "short"


def test_names_that_are_no_text_are_drawn():
    lr, hr, prob, mask = sample()
    name = b"caf\xe9\n\t.jpg".decode("utf-8", "surrogateescape")
    result = panel(lr, hr, hr, prob, mask, caption=name)
    assert np.array_equal(result, panel(lr, hr, hr, prob, mask, caption="caf\ufffd\ufffd\ufffd.jpg"))


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (40, 1600), (1600, 40)])
def test_overlays_of_any_shape(size):
    result = overlay(np.full((*size, 3), 100, np.uint8), np.ones(size, np.float32))
    assert result.shape == (*size, 3) and (result != 100).any()


def test_overlay_outlines_and_tints():
    image = np.full((20, 20, 3), 100, np.uint8)
    prob = np.zeros((20, 20), np.float32)
    prob[8:12, 8:12] = 0.7
    result = overlay(image, prob, colour=(200, 0, 0), opacity=0.5)
    assert tuple(result[10, 10]) == (150, 50, 50)
    assert tuple(result[7, 9]) == (200, 0, 0) and tuple(result[12, 12]) == (200, 0, 0)
    assert tuple(result[5, 5]) == (100, 100, 100) and image.max() == 100
    assert np.array_equal(overlay(image, np.zeros((20, 20))), image)
    with pytest.raises(ValueError, match="image"):
        overlay(image, prob[:5])


def test_figures_are_written(tmp_path):
    grid = np.arange(1, 100) / 100
    iou = {"hr": 0.6 - (grid - 0.4) ** 2, "degraded": 0.4 - (grid - 0.5) ** 2, "clean": np.full(99, np.nan)}
    recall = np.linspace(1, 0, 99)
    pictures = {
        "iou.png": iou_over_threshold(grid, iou, tmp_path / "a" / "iou.png"),
        "pr.png": precision_recall(
            {"hr": (recall, 1 - recall), "clean": (recall, recall * np.nan)}, tmp_path / "pr.png"
        ),
    }
    for name, picture in pictures.items():
        (path,) = tmp_path.rglob(name)
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), picture)
        assert picture.dtype == np.uint8 and picture.std() > 5
