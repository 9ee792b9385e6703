"""What is mistaken for a crack and is none: joints, painted lines, scratches, cables and their shadows."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthetic.fields import Generator, across, octaves, smooth_field, soft_step
from data.synthetic.textures import Surface


def _line_distance(rng: Generator, size: int, bend: float) -> np.ndarray:
    """Distance in px, signed, to a line somewhere in the image that bends by about ``bend`` px."""
    upright = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.15)
    angle = upright if rng.random() < 0.6 else rng.uniform(0, np.pi)
    distance: np.ndarray = across(size, angle) + np.float32(rng.uniform(-0.42, 0.42) * size)
    if bend > 0:
        distance = distance + np.float32(bend) * smooth_field(rng, size, size / 2)
    return distance


def joint(rng: Generator, surface: Surface) -> None:
    """A sawn or cast joint: straight, of one width, dark, often with a lighter or sealed border."""
    width = rng.uniform(1.5, 9.0)
    distance = np.abs(_line_distance(rng, surface.size, 0.0))
    distance = distance + np.float32(rng.uniform(0.05, 0.4)) * octaves(rng, surface.size, (16, 5, 2), 0.9)
    groove = 1 - soft_step(distance, width / 2, rng.uniform(0.6, 1.2))
    border = np.exp(-((distance / np.float32(width * rng.uniform(1.0, 3.0))) ** 2))
    surface.brightness *= 1 + np.float32(rng.uniform(-0.12, 0.12)) * border
    fill = 1 + np.float32(0.06) * octaves(rng, surface.size, (25, 3), 1.0)
    surface.brightness += (np.float32(rng.uniform(0.3, 0.8)) * fill - surface.brightness) * groove
    surface.relief -= np.float32(rng.uniform(0.0, 1.5)) * groove


def painted_line(rng: Generator, surface: Surface) -> None:
    """A worn road marking, white or yellow, that the surface shows through."""
    size = surface.size
    width = rng.uniform(size / 20, size / 4)
    wobble = octaves(rng, size, (20, 6, 2.5), 0.8) * np.float32(rng.uniform(0.3, 1.0))
    inside = 1 - soft_step(np.abs(_line_distance(rng, size, 0.0)) + wobble, width / 2, 1.2)
    wear = octaves(rng, size, (60, 20, 6, 2.5), 0.9) - (surface.brightness - 1) * rng.uniform(0.5, 4.0)
    inside *= 1 - soft_step(wear, rng.uniform(0.2, 2.0), rng.uniform(0.3, 0.9))
    dirt = np.float32(rng.uniform(0.02, 0.08)) * octaves(rng, size, (50, 12, 4), 0.8)
    paint = np.float32(rng.uniform(1.15, 1.6)) * (0.55 + 0.45 * surface.brightness + dirt)
    surface.brightness += (paint - surface.brightness) * inside
    yellow = rng.uniform(0.1, 0.2) if rng.random() < 0.3 else 0.02
    surface.warmth += (np.float32(yellow) - surface.warmth) * inside


def scratch(rng: Generator, surface: Surface) -> None:
    """One to four thin, nearly straight scrapes, lighter or a little darker than the surface."""
    size = surface.size
    canvas = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        middle, heading = rng.uniform(0, size, 2), rng.uniform(0, np.pi)
        along = np.linspace(-0.5, 0.5, 12)[:, None] * size * rng.uniform(0.1, 0.8)
        points = middle + along * [np.cos(heading), np.sin(heading)]
        points[:, 1] += rng.uniform(-0.04, 0.04) * size * np.linspace(-1, 1, 12) ** 2
        fixed = np.rint(points * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, int(rng.integers(60, 200)), 1, cv2.LINE_AA, 4)
    worn = canvas.astype(np.float32) * np.clip(0.6 + 0.6 * smooth_field(rng, size, 12), 0, 1)
    change = rng.choice([rng.uniform(0.15, 0.5), -rng.uniform(0.08, 0.3)]) / 255
    surface.brightness *= 1 + np.float32(change) * worn


def thin_shadow(rng: Generator, surface: Surface) -> None:
    """The soft shadow of a cable, a pole or a twig: long, smooth, of even depth."""
    width = rng.uniform(2.0, surface.size / 16)
    distance = np.abs(_line_distance(rng, surface.size, rng.uniform(0, surface.size / 50)))
    shade = 1 - soft_step(distance, width / 2, max(1.0, width * rng.uniform(0.2, 0.5)))
    surface.brightness *= 1 - np.float32(rng.uniform(0.15, 0.45)) * shade
    surface.warmth -= np.float32(rng.uniform(0.0, 0.05)) * shade


def repair(rng: Generator, surface: Surface) -> None:
    """A patch or second pour of another grey with a ragged straight edge."""
    distance = _line_distance(rng, surface.size, rng.uniform(0, 6))
    distance = distance + np.float32(rng.uniform(0.3, 2.5)) * smooth_field(rng, surface.size, 7)
    side = soft_step(distance, 0.0, rng.uniform(0.6, 3.0))
    surface.brightness *= 1 + np.float32(rng.choice([-1, 1]) * rng.uniform(0.06, 0.22)) * side
    surface.warmth += np.float32(rng.uniform(-0.03, 0.05)) * side


LOOKALIKES = (joint, painted_line, scratch, thin_shadow, repair)


def add_lookalikes(rng: Generator, surface: Surface, crack_free: bool) -> None:
    """Add up to two look-alikes.

    Args:
        rng: that they are drawn from.
        surface: is changed in place.
        crack_free: whether the image gets no crack; a look-alike is then more frequent.
    """
    chance = 0.6 if crack_free else 0.28
    for index in rng.permutation(len(LOOKALIKES))[:2]:
        if rng.random() < chance:
            LOOKALIKES[index](rng, surface)
            chance *= 0.3
