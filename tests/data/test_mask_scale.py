"""What mask values mean is decided for a whole set: usual kinds are read, odd ones refused, or said by options."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from contracts.errors import UserError
from data.facts import describe
from tests.helpers.drawn_sets import COUNT, assert_reads_as_drawn, drawn, read_set, write_set
from tests.helpers.errors import assert_holds, error_of


def refusal(root: Path) -> str:
    message = error_of(read_set, root)
    assert len(message) < 600
    return message


def ignore_strip(mask: np.ndarray, number: int) -> np.ndarray:
    """0/1 with 255 for pixels to ignore, a border of 4 px."""
    values = mask * 0 + np.uint8(255)
    values[4:-4] = 0
    return np.where(mask == 1, 1, values).astype(np.uint8)


def void_outline(mask: np.ndarray, number: int) -> np.ndarray:
    """0/1 with 255 around each crack, as VOC has it: next to full pixels throughout."""
    return np.where(mask == 1, 1, cv2.dilate(mask, np.ones((5, 5), np.uint8)) * 255).astype(np.uint8)


def trace(mask: np.ndarray, number: int) -> np.ndarray:
    """0/255, but one tile is empty save for a trace of 1."""
    return (mask * 255 if number else (np.indices(mask.shape).sum(0) % 7 == 0) * 1).astype(np.uint8)


def classes(mask: np.ndarray, number: int) -> np.ndarray:
    """0 background, 1 crack, 2 a joint."""
    values = mask * 0
    values[:, 40:48] = 2
    return np.where(mask == 1, 1, values)


@pytest.mark.parametrize(
    ("edit", "parts", "repair"),
    [
        (lambda m, n: m * np.uint8(127 if n % 2 else 255), ["3 of 6", "255: 127 (", "'001.png'"], {"crack_from": 100}),
        (lambda m, n: m * np.uint8(100 if n % 2 else 255), ["3 of 6", ": 100 (", "[100, 255]"], {"crack_from": 100}),
        (lambda m, n: m * np.uint8(100), ["6 of 6", ": 100 (", "crack_values: [100]"], {"crack_values": (100,)}),
        (classes, ["6 of 6", "1, 2 ("], {"crack_values": (1,)}),
        (ignore_strip, ["6 of 6", "255: 1 ("], {"crack_values": (1,)}),
        (void_outline, ["6 of 6", "255: 1 ("], {"crack_values": (1,)}),
        (lambda m, n: m + np.uint8(1), ["6 of 6", "1, 2 ("], {"crack_values": (2,)}),
        (trace, ["1 of 6", "255: 1 ('000.png')"], None),
        (lambda m, n: m[..., None] * np.array([100, 0, 0], np.uint8), ["6 of 6", ": 100 ("], {"crack_values": (100,)}),
        (lambda m, n: m[..., None] * np.array([128, 0, 0], np.uint8), ["6 of 6", ": 128 ("], {"crack_values": (128,)}),
    ],
    ids=["some 127", "some 100", "all 100", "classes", "ignored", "outlined", "1 and 2", "trace", "red", "VOC"],
)  # fmt: skip
def test_odd_values_are_refused_until_they_are_said(
    tmp_path: Path, edit: object, parts: list[str], repair: dict | None
) -> None:
    root = write_set(tmp_path, edit)
    message = refusal(root)
    assert_holds(message, [*parts, "crack_values", "crack_from"])
    if repair is not None:
        assert_reads_as_drawn(read_set(root, **repair))
    else:
        source = read_set(root, crack_from=128)
        assert source.facts()[0].crack == 0 and source.facts()[1].crack > 0


def test_palette_colours_are_judged_by_their_largest_channel(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    for number in range(COUNT):
        picture = Image.fromarray(drawn(number)[1], "P")
        picture.putpalette([0, 0, 0, 128, 0, 0])
        picture.save(root / "masks" / f"{number:03d}.png")
    assert "128" in refusal(root)
    assert_reads_as_drawn(read_set(root, crack_values=(128,)))


@pytest.mark.parametrize("full", [1, 255])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif"])
def test_plain_masks_need_no_option(tmp_path: Path, full: int, suffix: str) -> None:
    assert_reads_as_drawn(read_set(write_set(tmp_path, lambda mask, number: mask * np.uint8(full), suffix)))


@pytest.mark.parametrize("full", [1, 255, 65535])
def test_sixteen_bits_beside_eight(tmp_path: Path, full: int) -> None:
    root = write_set(tmp_path)
    for number in range(0, COUNT, 2):
        cv2.imwrite(str(root / "masks" / f"{number:03d}.png"), drawn(number)[1] * np.uint16(full))
    assert_reads_as_drawn(read_set(root))


def smooth(mask: np.ndarray, number: int) -> np.ndarray:
    """Anti-aliased: reduced by two with the mean of each four pixels, and by their bicubic mean on odd numbers."""
    thick = cv2.dilate(mask, np.ones((5, 5), np.uint8)) * 255
    return cv2.resize(cv2.resize(thick, (192, 192), interpolation=cv2.INTER_NEAREST), (96, 96),
                      interpolation=cv2.INTER_AREA) if number % 2 else cv2.GaussianBlur(thick, (3, 3), 0)  # fmt: skip


def test_soft_edges_are_accepted_and_cut_at_half(tmp_path: Path) -> None:
    source = read_set(write_set(tmp_path, smooth))
    for number in range(COUNT):
        expected = smooth(drawn(number)[1], number) > 127
        np.testing.assert_array_equal(source.load(number)[1], expected)


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5])
@pytest.mark.parametrize("way", [cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
def test_resized_masks_are_accepted(tmp_path: Path, factor: float, way: int) -> None:
    """Also where a thin crack has nowhere its full value left."""
    root = write_set(tmp_path, lambda m, n: cv2.resize(m * 255, None, fx=factor, fy=factor, interpolation=way))
    for number in range(COUNT):
        path = root / "images" / f"{number:03d}.png"
        side = round(96 * factor)
        Image.open(path).resize((side, side)).save(path)
    source = read_set(root)
    for number in range(COUNT):
        stored = np.array(Image.open(source.pairs[number].mask))
        np.testing.assert_array_equal(source.load(number)[1], stored > 127)


@pytest.mark.parametrize("quality", [50, 75, 95, 100])
@pytest.mark.parametrize("saved_as", [".jpg", ".webp", "jpg as png"])
def test_ringing_of_compression_is_accepted(tmp_path: Path, quality: int, saved_as: str) -> None:
    suffix = ".jpg" if saved_as == "jpg as png" else saved_as
    root = write_set(tmp_path, suffix=suffix, quality=quality)
    Image.new("L", (96, 96), 1).save(root / "masks" / f"000{suffix}", quality=quality)  # empty, with a trace
    if saved_as == "jpg as png":
        for number in range(1, COUNT):
            path = root / "masks" / f"{number:03d}.jpg"
            Image.open(path).save(path.with_suffix(".png"))
            path.unlink()
    source = read_set(root)
    assert source.facts()[0].crack == 0
    for number in range(1, COUNT):
        truth = drawn(number)[1]
        assert (source.load(number)[1] != truth).mean() < 0.02
        assert source.facts()[number].crack == source.load(number)[1].mean()


@pytest.mark.parametrize("full", [100, 127])
def test_half_bright_jpeg_masks_are_refused(tmp_path: Path, full: int) -> None:
    """Not their exact values, which JPEG does not keep, but that nothing in them is full."""
    root = write_set(tmp_path, lambda mask, number: mask * np.uint8(full if number % 2 else 255), ".jpg", quality=95)
    message = refusal(root)
    assert "3 of 6" in message and "'001.jpg'" in message and "crack_from: " in message
    source = read_set(root, crack_from=full // 2)
    assert all((source.load(n)[1] != drawn(n)[1]).mean() < 0.02 for n in range(COUNT))
    with pytest.raises(UserError, match="crack_values: JPEG.*crack_from: N"):
        read_set(root, crack_values=(full, 255))


def test_options_that_fit_no_mask_are_refused(tmp_path: Path) -> None:
    root = write_set(tmp_path, lambda mask, number: mask * np.uint8(100))
    with pytest.raises(UserError, match=r"crack_values: \[7\]: no mask holds.*they hold 0, 100"):
        read_set(root, crack_values=(7,))
    with pytest.raises(UserError, match="crack_from: 200: no mask"):
        read_set(root, crack_from=200)


def test_inverted_masks_are_told_and_can_be_said(tmp_path: Path) -> None:
    root = write_set(tmp_path, lambda mask, number: (1 - mask) * np.uint8(255))
    lines = describe(read_set(root), "datasets.test")
    mean = 100 * (1 - np.mean([drawn(number)[1].mean() for number in range(COUNT)]))
    assert lines[0] == f"datasets.test: 6 photographs, {mean:.2f}% crack, 0 masks empty"
    assert lines[1].startswith("warning: datasets.test: over half of 6 masks is crack")
    assert "crack_values: [0]" in lines[1]
    said = read_set(root, crack_values=(0,))
    assert_reads_as_drawn(said)
    assert len(describe(said, "datasets.test")) == 1


def test_what_is_said_of_a_set(tmp_path: Path) -> None:
    source = read_set(write_set(tmp_path, lambda mask, number: mask * np.uint8(255 if number else 0)))
    share = 100 * np.mean([drawn(number)[1].mean() if number else 0 for number in range(COUNT)])
    assert describe(source, "datasets.train") == [f"datasets.train: 6 photographs, {share:.2f}% crack, 1 masks empty"]


def test_all_real_masks_are_read_without_an_option(shared: Path) -> None:
    root = shared / "data/UAV75"
    assert len(read_set(root)) == 75
