"""Augmentation as pure functions of arrays and of numbers drawn for (seed, epoch, image name)."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray, NDArray]
DRAWS: tuple[str, ...] = ("crop_row", "crop_column", "on_crack", "crack_pixel", "horizontal_flip", "vertical_flip")
DRAWS += ("turns", "contrast", "brightness", "gamma", "zoom", "angle", "light")


def keyed_bits(*key: str | int) -> np.random.Philox:
    """Return random bits that depend on nothing but ``key`` (its SHA-256 hash), on any machine."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.Philox(key=np.frombuffer(digest[:16], "<u8"))


def draw(seed: int, epoch: int, name: str) -> dict[str, float]:
    """Draw one number in [0, 1) per random choice.

    Every choice has its own number, so switching one on does not change the others.

    Args:
        seed: of the augmentation.
        epoch: the pass over the data.
        name: of the photograph.

    Returns:
        The numbers by the names in ``DRAWS``, a function of the arguments alone.
    """
    generator = np.random.Generator(keyed_bits("augmentation", seed, epoch, name))
    return dict(zip(DRAWS, generator.random(len(DRAWS)).tolist(), strict=True))


def pad_to(image: NDArray, mask: NDArray, side: int) -> Arrays:
    """Reflect image and mask at their borders (edge pixel not repeated), shared between both ends of an axis.

    Args:
        image: [H,W,3].
        mask: [H,W].
        side: least height and width, pixels; sides that are large enough stay.
    """
    height, width = mask.shape
    missing = [max(0, side - height), max(0, side - width)]
    if not any(missing):
        return image, mask
    around = [(count // 2, count - count // 2) for count in missing]
    return np.pad(image, [*around, (0, 0)], mode="reflect"), np.pad(mask, around, mode="reflect")


def crop(image: NDArray, mask: NDArray, side: int, drawn: dict[str, float], crack_probability: float = 0.0) -> Arrays:
    """Cut the same square from image and mask.

    Its position is uniform, or else near a random crack pixel (at most a quarter of the side away, and as far as the
    image allows), if there is any.

    Args:
        image: [H,W,3].
        mask: [H,W], crack from 0.5 on.
        side: of the square, pixels; neither side of the image is smaller.
        drawn: as from ``draw``.
        crack_probability: of a position near a crack pixel.
    """
    top, left = (int(drawn[key] * (length - side + 1)) for key, length in _axes(mask))
    pixel = crack_pixel(mask, drawn, crack_probability)
    if pixel is not None:
        jitter = {key: round((drawn[key] - 0.5) * (side // 2)) for key, _ in _axes(mask)}  # up to side / 4
        top, left = (
            min(max(0, centre - side // 2 + jitter[key]), length - side)
            for centre, (key, length) in zip(pixel, _axes(mask), strict=True)
        )
    window = slice(top, top + side), slice(left, left + side)
    return image[window], mask[window]


def crack_pixel(
    mask: NDArray, drawn: dict[str, float], probability: float, least: float = 0.5
) -> tuple[int, int] | None:
    """Draw a crack pixel to cut a crop around.

    Args:
        mask: [H,W].
        drawn: as from ``draw``.
        probability: that there is to be one.
        least: value from which on a pixel is crack.

    Returns:
        Its row and column; None without a crack, and where the draw says none.
    """
    if drawn["on_crack"] >= probability:
        return None
    crack = np.flatnonzero(mask >= least)
    return divmod(int(crack[int(drawn["crack_pixel"] * crack.size)]), mask.shape[1]) if crack.size else None


def flip_and_turn(
    image: NDArray, mask: NDArray, drawn: dict[str, float], horizontal: float, vertical: float, rotate: bool
) -> Arrays:
    """Mirror and turn image and mask alike.

    Args:
        image: [H,W,3].
        mask: [H,W].
        drawn: as from ``draw``.
        horizontal: probability of mirroring left-right.
        vertical: probability of mirroring top-bottom.
        rotate: whether to turn by 0 to 3 quarters.
    """
    if drawn["horizontal_flip"] < horizontal:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if drawn["vertical_flip"] < vertical:
        image, mask = image[::-1], mask[::-1]
    turns = int(drawn["turns"] * 4) if rotate else 0
    return np.rot90(image, turns), np.rot90(mask, turns)


def tone_table(drawn: dict[str, float], strength: float) -> NDArray[np.float32]:
    """The tone curve ``clip(1/2 + c (v^g - 1/2) + b)`` of 8-bit values; the identity at strength 0.

    Contrast c lies in 1 +- strength, brightness b in +- strength / 2 and gamma g in (1 + strength)^(+-1), each uniform
    (g: its logarithm).

    Args:
        drawn: as from ``draw``.
        strength: in [0, 1].

    Returns:
        float32 [256] in [0, 1].
    """
    values = np.arange(256) / 255
    if strength == 0:
        return values.astype(np.float32)
    contrast, brightness, gamma = (2 * drawn[key] - 1 for key in ("contrast", "brightness", "gamma"))
    bent = values ** ((1 + strength) ** gamma)
    curve = 0.5 + (1 + strength * contrast) * (bent - 0.5) + strength / 2 * brightness
    return curve.clip(0, 1).astype(np.float32)


def crop_to_multiple(image: NDArray, mask: NDArray, multiple: int) -> Arrays:
    """Drop rows at the bottom and columns at the right until both sides are divisible by a number.

    Args:
        image: [H,W,3].
        mask: [H,W].
        multiple: the number, pixels; shorter sides are first reflected up to it.
    """
    image, mask = pad_to(image, mask, multiple)
    height, width = (length - length % multiple for length in mask.shape)
    return image[:height, :width], mask[:height, :width]


def _axes(mask: NDArray) -> list[tuple[str, int]]:
    return list(zip(("crop_row", "crop_column"), mask.shape, strict=True))
