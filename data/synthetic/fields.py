"""Random fields and curves that all synthetic parts share: correlated noise in two and in one dimension."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Generator = np.random.Generator


def smooth_field(rng: Generator, size: int, correlation: float | tuple[float, float]) -> np.ndarray:
    """Low-resolution normal noise, enlarged: about zero mean and unit deviation.

    Args:
        rng: that the noise is drawn from.
        size: side of the field in px.
        correlation: distance in px between independent values, one number or (along x, along y).

    Returns:
        float32 [size,size].
    """
    along_x, along_y = correlation if isinstance(correlation, tuple) else (correlation, correlation)
    columns, rows = (max(3, int(np.ceil(size / along)) + 1) for along in (along_x, along_y))
    grid = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(1.3)
    if min(along_x, along_y) > 12:  # smooth enough to go the last step, which is then quick, linearly
        smooth = cv2.resize(grid, (size // 4, size // 4), interpolation=cv2.INTER_CUBIC)
        return cv2.resize(smooth, (size, size), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def octaves(rng: Generator, size: int, correlations: Sequence[float], persistence: float = 0.6) -> np.ndarray:
    """Sum of smooth fields of several scales, about unit deviation.

    Args:
        rng: that the noise is drawn from.
        size: side of the field in px.
        correlations: of the smooth fields in px.
        persistence: weight of each field as a multiple of the weight of the one before.

    Returns:
        float32 [size,size].
    """
    weights = persistence ** np.arange(len(correlations))
    weights /= np.sqrt((weights**2).sum())
    total: np.ndarray = np.zeros((size, size), np.float32)
    for correlation, weight in zip(correlations, weights.tolist(), strict=True):
        total = cv2.scaleAdd(smooth_field(rng, size, correlation), weight, total)
    return total


def grain(rng: Generator, size: int, sigma: float, sigma_y: float = 0.0) -> np.ndarray:
    """White noise blurred by a Gaussian: zero mean, unit deviation.

    Args:
        rng: that the noise is drawn from.
        size: side of the field in px.
        sigma: of the Gaussian in px.
        sigma_y: the same along y; 0: equal to ``sigma``.

    Returns:
        float32 [size,size].
    """
    white = np.frombuffer(rng.bytes(size * size), np.uint8).reshape(size, size).astype(np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), sigma, sigmaY=sigma_y)
    (mean,), (deviation,) = cv2.meanStdDev(noise)
    scale = 1 / max(float(deviation[0]), 1e-6)
    return cv2.addWeighted(noise, scale, noise, 0.0, -float(mean[0]) * scale)


def soft_step(field: np.ndarray, edge: float, softness: float) -> np.ndarray:
    """0 where a field is low, 1 where it is high, a smooth ramp between.

    Args:
        field: float32 [H,W].
        edge: value of the field in the middle of the ramp.
        softness: half the width of the ramp, in values of the field.

    Returns:
        float32 [H,W] in [0,1].
    """
    ramp = np.clip((field - edge) / np.float32(2.0 * softness) + np.float32(0.5), 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def wander(rng: Generator, count: int, correlation: float) -> np.ndarray:
    """Piecewise linear noise of about unit deviation.

    Args:
        rng: that the noise is drawn from.
        count: number of samples.
        correlation: samples between two knots.

    Returns:
        float64 [count].
    """
    knots = int(np.ceil(count / correlation)) + 2
    positions = np.arange(count) / correlation + rng.random()
    return np.interp(positions, np.arange(knots), rng.standard_normal(knots)) * 1.2


def steps(rng: Generator, count: int, correlation: float) -> np.ndarray:
    """Piecewise constant noise of unit deviation.

    Args:
        rng: that the noise is drawn from.
        count: number of samples.
        correlation: mean length of a piece in samples.

    Returns:
        float64 [count].
    """
    pieces = int(np.ceil(count / correlation)) + 2
    piece = np.arange(count) / correlation + 0.8 * rng.random() + 0.1 * wander(rng, count, correlation)
    return rng.standard_normal(pieces)[np.clip(piece, 0, pieces - 1).astype(np.int64)]


def across(size: int, angle: float) -> np.ndarray:
    """Signed distance to a line through the centre.

    Args:
        size: side of the field in px.
        angle: of the line, radians.

    Returns:
        float32 [size,size] in px.
    """
    axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    return np.float32(np.cos(angle)) * axis[:, None] - np.float32(np.sin(angle)) * axis[None, :]


def spots(rng: Generator, size: int, count: int, radius: tuple[float, float], roundness: float = 0.6) -> np.ndarray:
    """Scatter irregular polygons, each of its own strength.

    Args:
        rng: that the polygons are drawn from.
        size: side of the field in px.
        count: number of polygons.
        radius: smallest and largest in px; small ones prevail.
        roundness: smallest ratio of the two axes.

    Returns:
        float32 [size,size] in [0,1].
    """
    canvas = np.zeros((size, size), np.uint8)
    corners = 7
    low, high = radius
    radii = low * (high / low) ** (rng.random((count, 1)) ** 2)
    angles = (np.arange(corners) + rng.uniform(-0.3, 0.3, (count, corners))) * (2 * np.pi / corners)
    outline = radii * rng.uniform(0.7, 1.15, (count, corners)) * np.exp(1j * angles)
    outline = outline.real + 1j * outline.imag * rng.uniform(roundness, 1.0, (count, 1))
    centre = rng.uniform(0, size, (count, 2)) @ np.array([1, 1j])
    outline = centre[:, None] + outline * np.exp(1j * rng.uniform(0, np.pi, (count, 1)))
    points = np.rint(np.stack([outline.real, outline.imag], -1) * 16).astype(np.int32)
    for polygon, strength in zip(points, rng.integers(90, 256, count).tolist(), strict=True):
        cv2.fillConvexPoly(canvas, polygon, strength, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / np.float32(255)
