"""Crack-free surfaces: fine and coarse asphalt, concrete and rough plaster, with what stains them.

Brightness is relative: about 1 on average, deviations as fractions. The camera sets the exposure later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from data.synthetic.fields import Generator, across, grain, octaves, smooth_field, soft_step, spots


@dataclass
class Surface:
    """A surface before light falls on it; all maps float32 [H,W], edited in place by the later parts.

    Attributes:
        brightness: relative reflectance, about 1.
        warmth: red against blue, 0 is grey, about -0.1 to 0.2.
        relief: height; light from the side shades its slope.
        roughness: size in px of the aggregate.
    """

    brightness: np.ndarray
    warmth: np.ndarray
    relief: np.ndarray
    roughness: float

    @property
    def size(self) -> int:
        """Side in px."""
        return self.brightness.shape[0]


def fine_asphalt(rng: Generator, size: int) -> Surface:
    """Dense asphalt from standing height: speckle of one to three px, with bright stones and dark pits."""
    sigma = rng.uniform(0.55, 1.25)
    first = grain(rng, size, sigma, sigma * rng.uniform(0.8, 1.25))
    second = grain(rng, size, sigma * rng.uniform(1.5, 2.6))
    contrast = np.float32(rng.uniform(0.06, 0.14))
    stones = np.tanh(np.float32(rng.uniform(0.8, 2.0)) * (first + rng.uniform(-0.6, 0.4)))
    brightness = 1 + contrast * (stones + 0.4 * second)
    peaks = np.maximum(0.8 * first + 0.6 * second - 1.3, 0)
    brightness += contrast * np.float32(rng.uniform(0.3, 1.2)) * peaks
    brightness -= contrast * np.float32(rng.uniform(0.2, 0.9)) * np.maximum(-second - 1.2, 0)
    brightness += np.float32(rng.uniform(0.01, 0.035)) * octaves(rng, size, (90, 35, 12, 5))
    bright = spots(rng, size, int(size * size * rng.uniform(0.0001, 0.004)), (0.8, rng.uniform(1.6, 3.5)))
    bright *= np.float32(rng.uniform(0.1, 0.6))
    pits = spots(rng, size, int(size * size * rng.uniform(0.0001, 0.001)), (0.8, 2.6))
    brightness += bright - np.float32(rng.uniform(0.1, 0.4)) * pits
    warmth = np.float32(rng.uniform(0.003, 0.02)) * second * smooth_field(rng, size, 3.0) + bright * 0.06
    return Surface(brightness, warmth, second * np.float32(rng.uniform(0.2, 0.8)), sigma * 2)


def _stone_cells(rng: Generator, size: int, spacing: float, stretch: float) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells of random seeds: labels int32 [size,size] and distance to the cell's border in px."""
    height = max(8, int(size / stretch))
    seeds = np.full((height, size), 255, np.uint8)
    count = max(4, int(size * height / spacing**2))
    seeds[rng.integers(0, height, count), rng.integers(0, size, count)] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = cv2.resize(labels.astype(np.float32), (size, size), interpolation=cv2.INTER_NEAREST)
    wobble = np.float32(spacing * 0.06)
    axis = np.arange(size, dtype=np.float32)
    map_x = axis[None, :] + wobble * smooth_field(rng, size, spacing * 0.35)
    map_y = axis[:, None] + wobble * smooth_field(rng, size, spacing * 0.35)
    labels = cv2.remap(labels, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    border = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
    inside = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 3)
    return labels.astype(np.int32), inside


def coarse_asphalt(rng: Generator, size: int) -> Surface:
    """Worn asphalt from close by: angular stones of many greys, of 3 to 20 px, in dark gritty binder."""
    spacing = 4.0 * 5.5 ** (rng.random() ** 1.3)
    labels, inside = _stone_cells(rng, size, spacing, rng.choice([1.0, 1.0, rng.uniform(0.6, 1.8)]))
    count = int(labels.max()) + 1
    visible = rng.random(count) < rng.uniform(0.6, 0.95)
    tone = 1.15 + rng.uniform(0.12, 0.3) * rng.standard_normal(count).astype(np.float32)
    gap = (spacing * rng.uniform(0.02, 0.2, count)).astype(np.float32)
    stone = np.clip((inside - gap[labels]) / np.float32(max(1.2, 0.06 * spacing)), 0, 1) * visible[labels]
    fine = grain(rng, size, rng.uniform(0.7, 1.1))
    grit = np.tanh(np.float32(rng.uniform(0.8, 1.6)) * grain(rng, size, max(0.8, 0.1 * spacing))) + 0.4 * fine
    binder = np.float32(rng.uniform(0.5, 0.8)) * (1 + np.float32(rng.uniform(0.1, 0.3)) * grit)
    brightness = binder + (tone[labels] * (1 + 0.06 * fine + 0.04 * grit) - binder) * stone
    brightness += np.float32(rng.uniform(0.0, 0.05)) * octaves(rng, size, (80, 25))
    brightness = brightness / np.float32(brightness.mean())
    contrast = np.float32(rng.uniform(0.4, 0.95))
    hue = (rng.uniform(0.008, 0.03) * rng.standard_normal(count)).astype(np.float32)
    relief = np.minimum(inside, np.float32(spacing * 0.3)) / np.float32(spacing * 0.15) * stone + 0.3 * fine
    relief *= np.float32(rng.uniform(0.2, 1.0))
    return Surface(1 + contrast * (brightness - 1), hue[labels] * stone, relief, spacing)


def _formwork(rng: Generator, size: int) -> np.ndarray:
    """Marks of the boards a wall was cast against: steps of brightness and faint seams, [size,size]."""
    angle = rng.choice([0.0, np.pi / 2]) + rng.uniform(-0.04, 0.04)
    board = rng.uniform(size / 5, size / 1.5)
    boards = across(size, angle) / np.float32(board) + np.float32(rng.uniform(10, 11))
    number = boards.astype(np.int32)
    tones = (rng.uniform(0.01, 0.05) * rng.standard_normal(int(number.max()) + 1)).astype(np.float32)
    seam_distance = np.abs(boards - np.rint(boards)) * np.float32(board)
    seam = np.exp(-((seam_distance / np.float32(rng.uniform(0.7, 2.0))) ** 2))
    wear = np.clip(smooth_field(rng, size, 30) + 0.3, 0, 1)
    return tones[number] + np.float32(rng.uniform(-0.22, 0.12)) * seam * wear


def concrete(rng: Generator, size: int) -> Surface:
    """Cast concrete: mottling over all scales, little grain, pores; some formwork, crusts and streaks."""
    clouds = octaves(rng, size, (100, 40, 18, 8, 4, 2.2), rng.uniform(0.7, 1.1))
    fine = grain(rng, size, rng.uniform(0.5, 1.1))
    brightness = 1 + np.float32(rng.uniform(0.015, 0.06)) * clouds
    brightness += np.float32(rng.uniform(0.01, 0.07)) * fine * (1 + 0.25 * smooth_field(rng, size, 25))
    if rng.random() < 0.35:
        brightness += _formwork(rng, size)
    if rng.random() < 0.25:
        streaks = octaves(rng, size, (14, 6, 3)) * 0.5 + smooth_field(rng, size, (7, 160))
        brightness += np.float32(rng.uniform(0.02, 0.06)) * streaks
    if rng.random() < 0.45:
        crust = soft_step(clouds + 0.3 * fine, rng.uniform(0.2, 1.4), rng.uniform(0.15, 0.5))
        brightness *= 1 + np.float32(rng.uniform(-0.2, 0.14)) * crust
    pores = spots(rng, size, int(size * size * 10 ** rng.uniform(-4.5, -2.8)), (0.7, rng.uniform(1.5, 4.5)))
    brightness -= np.float32(rng.uniform(0.15, 0.55)) * pores
    if rng.random() < 0.5:
        aggregate = spots(rng, size, int(size * size * rng.uniform(0.0003, 0.003)), (1.0, 4.0))
        brightness += np.float32(rng.uniform(-0.25, 0.25)) * aggregate
    relief = np.float32(rng.uniform(0.05, 0.6)) * fine + 0.4 * clouds - 1.5 * pores
    warmth = np.float32(rng.uniform(0.002, 0.012)) * octaves(rng, size, (70, 20))
    return Surface(brightness, warmth, relief, 3.0)


def plaster(rng: Generator, size: int) -> Surface:
    """Rough mortar, render or brushed screed: nearly one colour, seen through the shading of its bumps."""
    bump = rng.uniform(0.9, 2.2)
    brushed = rng.choice([1.0, 1.0, 1.0, rng.uniform(1.5, 3.0)])
    relief = grain(rng, size, bump, bump * brushed)
    relief += 0.7 * grain(rng, size, bump * 2.2) * smooth_field(rng, size, 40)
    fine = grain(rng, size, 0.7)
    brightness = 1 + np.float32(rng.uniform(0.01, 0.035)) * octaves(rng, size, (120, 40, 12, 5), 0.8)
    brightness += np.float32(rng.uniform(0.01, 0.05)) * fine + np.float32(rng.uniform(0.01, 0.05)) * relief
    crumbs = spots(rng, size, int(size * size * rng.uniform(0.0001, 0.0012)), (0.9, 3.5))
    brightness -= np.float32(rng.uniform(-0.15, 0.35)) * crumbs
    warmth = np.float32(rng.uniform(0.002, 0.01)) * octaves(rng, size, (90, 30)) + 0.08 * crumbs
    return Surface(brightness, warmth, (relief + crumbs) * np.float32(rng.uniform(0.6, 1.6)), bump * 2)


TEXTURES: dict[Callable[[Generator, int], Surface], float] = {  # with the share of images of each
    fine_asphalt: 0.34,
    coarse_asphalt: 0.24,
    concrete: 0.25,
    plaster: 0.17,
}


def stain(rng: Generator, surface: Surface) -> None:
    """Add what lies on real surfaces: broad dirt, damp or rubbed patches, drops of oil and gum, tyre marks.

    Args:
        rng: that the stains are drawn from.
        surface: is changed in place.
    """
    size = surface.size
    if rng.random() < 0.6:
        clouds = octaves(rng, size, (rng.uniform(60, 160), 40, 15, 6, 3), 0.65)
        patch = soft_step(clouds + (surface.brightness - 1) * 2, rng.uniform(0.3, 1.4), rng.uniform(0.3, 1.2))
        surface.brightness *= 1 + np.float32(rng.choice([-0.2, 0.1]) * rng.random() ** 1.5) * patch
        surface.warmth += np.float32(rng.uniform(-0.015, 0.03)) * patch
    if rng.random() < 0.4:
        drops = spots(rng, size, int(rng.integers(1, 7)), (2.0, size / 35), roundness=0.5)
        drops = cv2.GaussianBlur(drops, (0, 0), rng.uniform(0.8, 2.5))
        surface.brightness *= 1 - np.float32(rng.uniform(-0.15, 0.45)) * drops
    if rng.random() < 0.25:
        distance = across(size, rng.uniform(0, np.pi)) / np.float32(size) + np.float32(rng.uniform(-0.5, 0.5))
        tyre = np.exp(-((distance / np.float32(0.12)) ** 2))
        wear = 1 + 0.3 * smooth_field(rng, size, 25)
        surface.brightness *= 1 + np.float32(rng.uniform(-0.12, 0.08)) * tyre * wear
