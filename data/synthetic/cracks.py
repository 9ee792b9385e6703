"""Cuts cracks into a surface: exact sub-pixel coverage of the strands, the mask, and how a crack looks."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthetic.fields import Generator, grain, smooth_field, wander
from data.synthetic.paths import HAIRLINE, LAYOUTS, STEP, Strand, draw_habit
from data.synthetic.textures import Surface

FINER = 4  # side of the grid of samples per pixel from which coverage is counted
FRACTION_BITS = 4  # of the fixed-point coordinates OpenCV draws with
DRAWN_WIDER = 1.0  # samples by which OpenCV draws a polygon wider than it is


def _outline(rng: Generator, strand: Strand) -> tuple[np.ndarray, np.ndarray]:
    """Left and right edge of a strand, complex [N] each: frayed, each side for itself."""
    along = np.gradient(strand.points)
    along = np.convolve(np.pad(along, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    normal = 1j * along / np.maximum(np.abs(along), 1e-6)
    fray = rng.uniform(0.1, 0.4)
    edges = []
    for side in (1, -1):
        noise = wander(rng, len(normal), 3.0 / STEP) * 0.6 + wander(rng, len(normal), 18.0 / STEP) * 0.6
        half = strand.width * np.clip(0.5 + 0.5 * fray * noise, 0.25, 1.0)
        half = np.maximum(half, np.minimum(0.5 * strand.width, HAIRLINE / 2))
        edges.append(strand.points + side * normal * (half - 0.5 * DRAWN_WIDER / FINER))
    return edges[0], edges[1]


def coverage(rng: Generator, strands: list[Strand], size: int) -> np.ndarray:
    """Share of each pixel that the strands cover, float32 [size,size] in [0,1], counted on 4x4 samples."""
    canvas = np.zeros((size * FINER, size * FINER), np.uint8)
    for strand in strands:
        left_edge, right_edge = _outline(rng, strand)
        quads = np.stack([left_edge[:-1], left_edge[1:], right_edge[1:], right_edge[:-1]], axis=1)  # [N-1,4]
        corners = np.stack([quads.real, quads.imag], axis=-1)  # [N-1,4,2]
        near = ((corners > -16) & (corners < size + 16)).all(axis=(1, 2))
        visible = (strand.width[:-1] > 0.3) & near
        fixed = np.rint(((corners[visible] + 0.5) * FINER - 0.5) * 2**FRACTION_BITS).astype(np.int32)
        for quad in fixed:
            cv2.fillConvexPoly(canvas, quad, 255, cv2.LINE_8, FRACTION_BITS)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


def _inside(rng: Generator, surface: Surface, covered: np.ndarray) -> np.ndarray:
    """Brightness within the crack: darker by a depth that changes along it, with crumbs in wide places."""
    size = surface.size
    change = np.float32(rng.uniform(0.05, 0.25)) * smooth_field(rng, size, 45)
    depth = np.float32(0.2 + 0.65 * rng.beta(1.1, 1.4)) * (1 + change)
    open_wide = _blurred_at_half(covered, 2.0)
    depth = np.clip(depth * (0.8 + 0.3 * open_wide), 0.16, 0.96)
    crumbs = grain(rng, size, rng.uniform(0.8, 1.4)) * open_wide
    rough = np.clip(1 + np.float32(rng.uniform(0.03, 0.25)) * crumbs, 0.5, 1.2)
    return np.clip(surface.brightness, 0.3, 1.15) * (1 - depth) * rough


def _blurred_at_half(covered: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of ``sigma`` px (1.5 or more), done at half the resolution, which is quicker."""
    half = (covered.shape[1] // 2, covered.shape[0] // 2)
    small = cv2.GaussianBlur(cv2.resize(covered, half, interpolation=cv2.INTER_AREA), (0, 0), sigma / 2)
    return cv2.resize(small, covered.shape[::-1], interpolation=cv2.INTER_LINEAR)


def cut(rng: Generator, surface: Surface) -> np.ndarray:
    """Draw cracks into a surface; a pixel belongs to the mask where they cover at least half of it.

    Args:
        rng: that the cracks are drawn from.
        surface: is changed in place.

    Returns:
        The mask, uint8 [H,W] in {0,1}.
    """
    habit = draw_habit(rng, surface.size, surface.roughness)
    draw_strands = list(LAYOUTS)[rng.choice(len(LAYOUTS), p=list(LAYOUTS.values()))]
    covered = coverage(rng, draw_strands(rng, surface.size, habit), surface.size)
    inside = _inside(rng, surface, covered)
    halo = _blurred_at_half(covered, rng.uniform(1.5, 5.0))
    surface.brightness *= 1 + np.float32(rng.uniform(-0.35, 0.12)) * halo
    surface.brightness += (inside - surface.brightness) * covered
    surface.warmth += np.float32(rng.uniform(-0.02, 0.12)) * np.maximum(halo, 0.5 * covered)
    surface.relief *= 1 - covered
    surface.relief -= np.float32(rng.uniform(0.0, 2.0)) * cv2.GaussianBlur(covered, (0, 0), 0.8)
    return (covered >= 0.5).astype(np.uint8)
