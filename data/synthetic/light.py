"""Light and camera: from a surface to an 8-bit RGB photograph."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthetic.fields import Generator, across, grain, octaves, smooth_field, soft_step
from data.synthetic.textures import Surface


def _shade_relief(rng: Generator, surface: Surface) -> np.ndarray:
    """Shading of the slopes by light from one side, float32 [H,W] around 1."""
    angle = rng.uniform(0, 2 * np.pi)
    east, south = np.cos(angle), np.sin(angle)
    slope = np.array([[0, -south, 0], [-east, 0, east], [0, south, 0]], np.float32)
    strength = np.float32(rng.uniform(0.01, 0.07))
    return np.maximum(1 + strength * cv2.filter2D(surface.relief, cv2.CV_32F, slope), 0.3)


def _uneven_light(rng: Generator, size: int) -> np.ndarray:
    """A brightness gradient, a vignette and a broad unevenness, float32 [size,size] around 1."""
    gradient = across(size, rng.uniform(0, 2 * np.pi)) * np.float32(rng.uniform(0.0, 0.4) ** 1.5 / size * 2)
    axis = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    vignette = (axis[:, None] + axis[None, :]) * np.float32(rng.uniform(0, 0.14) * (rng.random() < 0.5))
    broad = smooth_field(rng, size, size * 0.6) * np.float32(rng.uniform(0.0, 0.05))
    return np.maximum(1 + gradient - vignette + broad, 0.2)


def _cast_shadow(rng: Generator, size: int) -> np.ndarray:
    """Share of the sun kept from each pixel, float32 [size,size] in [0,1]: an object's edge or foliage."""
    if rng.random() < 0.75:
        wobble = np.float32(rng.uniform(0.0, 0.06)) * octaves(rng, size, (size / 3, size / 8, size / 20))
        field = across(size, rng.uniform(0, 2 * np.pi)) / np.float32(size) + wobble + rng.uniform(-0.35, 0.35)
        return soft_step(field, 0.0, rng.uniform(0.004, 0.08))
    leaves = octaves(rng, size, (size / 4, size / 10, size / 25, size / 60), 0.8)
    return soft_step(leaves, rng.uniform(-0.3, 0.9), rng.uniform(0.8, 1.8))


def _colour_cast(rng: Generator) -> np.ndarray:
    """Gain of red, green and blue, float32 [3]: the white balance and the tint of the material."""
    warm = rng.normal(-0.005, 0.032) + (0.08 if rng.random() < 0.1 else 0.0)
    green = rng.normal(0.006, 0.012)
    return np.array([1 + warm, 1 + green, 1 - warm], np.float32)


def _focus(rng: Generator, grey: np.ndarray, warmth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blur of the lens, then the sharpening of brightness that cameras apply, often too much."""
    sigma = 0.35 + rng.gamma(1.5, 0.1)
    grey, warmth = cv2.GaussianBlur(grey, (0, 0), sigma), cv2.GaussianBlur(warmth, (0, 0), sigma + 0.4)
    amount = rng.uniform(0.2, 1.2) * (rng.random() < 0.7)
    if amount > 0:
        soft = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.8, 1.6))
        grey = cv2.addWeighted(grey, 1 + amount, soft, -amount, 0.0)
    return grey, warmth


def _sensor(rng: Generator, grey: np.ndarray, warmth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Noise of 0.3 to 4 grey levels, correlated over about a pixel as after demosaicing, some in colour."""
    size = grey.shape[0]
    level = 0.3 + rng.gamma(1.3, 0.7)
    speckle = cv2.resize(grain(rng, size // 2, 0.5), (size, size), interpolation=cv2.INTER_LINEAR)
    grey = cv2.scaleAdd(grain(rng, size, 0.55), level, grey)
    return grey, cv2.scaleAdd(speckle, 0.004 * level, warmth)


def _develop(grey: np.ndarray, warmth: np.ndarray, cast: np.ndarray) -> np.ndarray:
    """Grey levels, warmth and colour cast to uint8 [H,W,3] RGB, rounded and saturated."""
    red, green, blue = cast.tolist()
    blueness = 1 - warmth - 4 * warmth * np.abs(warmth)  # what is really warm is yellow, not orange
    channels = [
        cv2.multiply(grey, 1 + warmth, scale=red, dtype=cv2.CV_8U),
        cv2.convertScaleAbs(np.maximum(grey, 0), alpha=green),
        cv2.multiply(grey, blueness, scale=blue, dtype=cv2.CV_8U),
    ]
    return cv2.merge(channels)


def photograph(rng: Generator, surface: Surface) -> np.ndarray:
    """Light a surface and take its picture.

    Args:
        rng: that light and camera are drawn from.
        surface: with its cracks; it stays as it is.

    Returns:
        uint8 [H,W,3] RGB.
    """
    size = surface.size
    light = _shade_relief(rng, surface) * _uneven_light(rng, size)
    warmth = surface.warmth
    if rng.random() < 0.14:
        shadow = _cast_shadow(rng, size)
        light *= 1 - np.float32(rng.uniform(0.2, 0.55)) * shadow
        warmth = warmth - np.float32(rng.uniform(0.0, 0.06)) * shadow
    grey = np.maximum(surface.brightness, 0.03) * light
    level = float(np.clip(rng.normal(138, 19), 85, 180)) * (0.5 if rng.random() < 0.04 else 1.0)
    grey *= np.float32(level / cv2.mean(grey)[0])  # the camera exposes for the mean
    grey = np.minimum(grey, 90 + np.float32(0.5) * grey)  # the shoulder of the tone curve, from 180 on
    grey, warmth = _sensor(rng, *_focus(rng, grey, warmth))
    return _develop(grey, warmth, _colour_cast(rng))
