"""Tiled inference equals inference on the whole image; progress lines tell what they should."""

from __future__ import annotations

import io
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import UserError
from engine.predict.tiles import cut, run_tiled, tile_starts
from engine.runtime.progress import Progress, format_seconds


def image_of(height: int, width: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 997 + width)
    return torch.rand(1, channels, height, width, generator=generator)


def enlarge(x: torch.Tensor, scale: int) -> torch.Tensor:
    return x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


sizes = st.integers(1, 70)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 40), st.integers(0, 39), st.integers(1, 4), st.sampled_from([1, 2, 8]))
def test_pointwise_function_equals_whole_image(height, width, tile, overlap, scale, multiple):
    image, overlap = image_of(height, width), min(overlap, tile - 1)

    def fn(x: torch.Tensor) -> dict[str, torch.Tensor]:
        assert x.shape[-1] % multiple == 0 and x.shape[-2] % multiple == 0
        return {"a": enlarge(x**2, scale), "b": enlarge(x[:, :1], scale)}

    tiled = run_tiled(fn, image, tile=tile, overlap=overlap, scale=scale, multiple=multiple)
    assert set(tiled) == {"a", "b"}
    assert tiled["b"].shape == (1, 1, height * scale, width * scale)
    torch.testing.assert_close(tiled["a"], enlarge(image**2, scale), rtol=0, atol=1e-6)
    torch.testing.assert_close(tiled["b"], enlarge(image[:, :1], scale), rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 64), sizes, st.integers(1, 3), st.sampled_from([1, 8]))
def test_weights_are_a_partition_of_unity(length, tile, overlap, scale, multiple):
    axis = cut(length, tile, min(overlap, tile - 1), scale, multiple)
    total = torch.zeros(axis.padded * scale, dtype=torch.float64)
    for start, row in zip(axis.starts, axis.weights, strict=True):
        total[start * scale : (start + axis.size) * scale] += row
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-12)
    assert axis.weights.min() >= 0 and axis.size % multiple == 0 and axis.padded - length < multiple


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 200), st.integers(0, 199))
def test_tiles_cover_and_overlap_enough(length, size, overlap):
    overlap = min(overlap, size - 1)
    starts = tile_starts(length, size, overlap)
    assert starts[0] == 0 and starts[-1] == max(length - size, 0)
    assert all(b - a <= size - overlap for a, b in itertools.pairwise(starts))
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize("radius,overlap,scale", [(2, 8, 1), (4, 16, 1), (3, 12, 2)])
def test_convolution_is_exact_with_enough_overlap(radius, overlap, scale):
    image = image_of(83, 101)
    kernel = torch.rand(3, 3, 2 * radius + 1, 2 * radius + 1, generator=torch.Generator().manual_seed(0))
    kernel /= kernel.sum((1, 2, 3), keepdim=True)

    def fn(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"y": enlarge(F.conv2d(x, kernel, padding=radius), scale)}

    tiled = run_tiled(fn, image, tile=37, overlap=overlap, scale=scale)["y"]
    torch.testing.assert_close(tiled, fn(image)["y"], rtol=0, atol=1e-6)


def test_blending_has_no_seam():
    """Tiles that disagree by a constant are joined by a smooth ramp, not by a step."""
    level = iter([0.0, 1.0])
    joined = run_tiled(lambda x: {"y": torch.full_like(x, next(level))}, image_of(8, 56), 32, overlap=8)["y"]
    row = joined[0, 0, 0]
    assert row[:24].max() == 0 and row[32:].min() == 1
    steps = row.diff()
    assert steps.min() >= 0 and steps.max() < 0.5
    assert math.isclose(float(row[26] + row[29]), 1.0, abs_tol=1e-6)


def test_images_below_the_multiple_are_padded_and_cropped():
    seen = []

    def fn(x: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(x)
        return {"y": x}

    image = image_of(3, 5)
    assert torch.equal(run_tiled(fn, image, 64, 8, multiple=8)["y"], image)
    assert seen[0].shape == (1, 3, 8, 8)
    assert torch.equal(seen[0][..., :3, 5], image[..., 3])  # reflected: column 5 mirrors column 3
    assert torch.equal(seen[0][..., 7, :5], image[..., 2, :])  # too small to reflect: the last row repeated


def test_progress_is_called_for_every_tile():
    calls: list[tuple[int, int]] = []
    run_tiled(lambda x: {"y": x}, image_of(60, 60), 32, 8, progress=lambda *counts: calls.append(counts))
    assert calls == [(n, 9) for n in range(1, 10)]


def test_errors_name_the_repair():
    with pytest.raises(UserError, match="overlap"):
        run_tiled(lambda x: {"y": x}, image_of(8, 8), tile=8, overlap=8)
    with pytest.raises(ValueError, match=r"\[1,C,16,16\]"):
        run_tiled(lambda x: {"y": x}, image_of(8, 8), tile=8, overlap=0, scale=2)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_without_a_terminal():
    stream = io.StringIO()
    with Progress(100, "training", every=25, stream=stream) as progress:
        for _ in range(100):
            progress.update(1, loss=0.123456)
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["25/100", "50/100", "75/100", "100/100"]
    assert "(25%)" in lines[0] and "/s" in lines[0] and "to go" in lines[0] and "loss 0.1235" in lines[0]


def test_resumed_progress_counts_its_rate_from_the_start(monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("engine.runtime.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    progress = Progress(100, "training", every=10, start=70, stream=stream)
    progress.update(10)
    assert stream.getvalue() == "training 80/100 (80%)  1/s  0:10 gone, 0:20 to go\n"


def test_bar_on_a_terminal():
    stream = Terminal()
    with Progress(3, "evaluating", stream=stream) as progress:
        progress.update(3, dice=0.5)
    assert "evaluating: 100%" in stream.getvalue() and "3/3" in stream.getvalue()


@pytest.mark.parametrize("seconds,text", [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")])
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize("lengths", [(40, 33), (25, 61), (25, 33)])
def test_reflection_beyond_the_image_needs_no_padded_copy(lengths):
    """The same bits as an image that was padded before and cut after."""
    image = image_of(25, 33)
    padded = F.pad(image, (0, lengths[1] - 33, 0, lengths[0] - 25), mode="reflect")

    def fn(x):
        return {"y": x.cumsum(3)}

    expected = run_tiled(fn, padded, 16, 4)["y"][..., :25, :33]
    assert torch.equal(run_tiled(fn, image, 16, 4, lengths=lengths)["y"], expected)
