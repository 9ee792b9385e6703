"""Centrelines and widths of cracks: wandering strands that branch, split, run in parallel or close to a map.

Points are complex numbers x + iy in px; pixel centres lie at whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import Voronoi

from data.synthetic.fields import Generator, steps, wander

STEP = 1.5  # px between points of a strand
HAIRLINE = 1.2  # px; a thinner crack would leave gaps in its mask


@dataclass(frozen=True)
class Strand:
    """One unbranched piece of a crack.

    Attributes:
        points: of its centreline, complex [N], px.
        width: at each of them, [N], px.
    """

    points: np.ndarray
    width: np.ndarray


@dataclass(frozen=True)
class Habit:
    """How the cracks of one image run.

    Attributes:
        bend: deviation of the heading over long distances, radians.
        jag: the same over short distances.
        pitch: the short distance, px.
        width: of the cracks, px.
        widest: its limit, px.
    """

    bend: float
    jag: float
    pitch: float
    width: float
    widest: float


def draw_habit(rng: Generator, size: int, roughness: float) -> Habit:
    """Draw how the cracks of an image run; most are thin, none over 12 px.

    Args:
        rng: that the habit is drawn from.
        size: side of the image in px.
        roughness: size in px of the aggregate that cracks go around.
    """
    widest = min(12.0, size / 16)
    width = min(HAIRLINE + rng.gamma(1.5, 1.1), 0.7 * widest)
    pitch = float(np.clip(roughness * rng.uniform(0.7, 2.0), 3.0, 14.0))
    return Habit(rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.7), pitch, width, widest)


def _walk(rng: Generator, start: complex, heading: float, length: float, habit: Habit) -> np.ndarray:
    """A random walk of about ``length`` px from ``start``: complex [N], N >= 4."""
    count = max(4, int(length / STEP))
    angle = heading + habit.bend * wander(rng, count, 70 / STEP)
    angle += habit.jag * steps(rng, count, habit.pitch / STEP)
    angle += 0.5 * habit.jag * (wander(rng, count, 4.0 * habit.pitch / STEP) + steps(rng, count, 3.0 / STEP))
    return start + np.cumsum(STEP * np.exp(1j * angle))


def _bridge(rng: Generator, start: complex, end: complex, habit: Habit) -> np.ndarray:
    """A random walk turned and scaled so that it leads from ``start`` to ``end``."""
    points = _walk(rng, 0j, 0.0, abs(end - start), habit)
    points -= points[0]
    if abs(points[-1]) < 0.3 * STEP * len(points):  # the walk curled up: too crooked to be stretched
        return np.linspace(start, end, len(points))
    return start + points * ((end - start) / points[-1])


def _widths(rng: Generator, count: int, base: float, habit: Habit) -> np.ndarray:
    """Width [count] in px along a strand: slow and quick changes around ``base``, up to ``habit.widest``."""
    slow, quick = rng.uniform(0.15, 0.45), rng.uniform(0.08, 0.22)
    exponent = slow * wander(rng, count, 50 / STEP) + quick * wander(rng, count, 10 / STEP)
    return np.clip(base * np.exp(exponent), 0.7, habit.widest)


def _taper(width: np.ndarray, share: float) -> np.ndarray:
    """Let the last ``share`` of a strand run out to nothing."""
    remaining = np.linspace(1.0, 0.0, len(width)) / share
    return width * np.minimum(1.0, remaining) ** 0.7


def _branch(rng: Generator, parent: Strand, size: int, habit: Habit) -> Strand:
    """A thinner strand that leaves ``parent`` at 25 to 80 degrees and runs out."""
    from_centre = parent.points - size / 2 * (1 + 1j)
    inside = np.flatnonzero(np.maximum(np.abs(from_centre.real), np.abs(from_centre.imag)) < size / 2)
    start = int(rng.choice(inside)) if len(inside) else len(parent.points) // 2
    ahead, behind = min(start + 8, len(parent.points) - 1), max(start - 8, 0)
    heading = np.angle(parent.points[ahead] - parent.points[behind])
    heading += rng.choice([-1, 1]) * rng.uniform(0.45, 1.4) + rng.choice([0, np.pi])
    points = _walk(rng, parent.points[start], heading, size * rng.uniform(0.08, 0.6), habit)
    width = _widths(rng, len(points), parent.width[start] * rng.uniform(0.35, 0.8), habit)
    return Strand(points, _taper(np.maximum(width, HAIRLINE), rng.uniform(0.3, 0.9)))


def _bypass(rng: Generator, parent: Strand, habit: Habit) -> Strand:
    """A second strand that leaves ``parent``, goes around a stone or an island, and joins it again."""
    count = len(parent.points)
    span = int(min(rng.uniform(15, 60) / STEP, count // 2))
    start = int(rng.integers(0, count - span))
    points = _bridge(rng, parent.points[start], parent.points[start + span - 1], habit)
    side = 1j * (points[-1] - points[0]) / max(abs(points[-1] - points[0]), 1e-6) * rng.choice([-1, 1])
    bulge = rng.uniform(0.1, 0.3) * span * STEP * np.sin(np.linspace(0, np.pi, len(points)))
    width = _widths(rng, len(points), parent.width[start] * rng.uniform(0.4, 0.9), habit)
    return Strand(points + side * bulge, np.maximum(width, HAIRLINE))


def _crossing(rng: Generator, size: int, habit: Habit, heading: float) -> Strand:
    """A crack through a point of the middle of the image, to both sides; sometimes it ends inside."""
    centre = size * complex(rng.uniform(0.17, 0.83), rng.uniform(0.17, 0.83))
    halves, half_widths = [], []
    for direction in (heading + np.pi, heading):
        ends = rng.random() < 0.2
        points = _walk(rng, centre, direction, size * (rng.uniform(0.15, 0.5) if ends else 1.2), habit)
        width = _widths(rng, len(points), habit.width, habit)
        halves.append(points)
        half_widths.append(_taper(width, rng.uniform(0.2, 0.7)) if ends else width)
    points = np.concatenate([halves[0][::-1], halves[1]])
    return Strand(points, np.concatenate([half_widths[0][::-1], half_widths[1]]))


def tree(rng: Generator, size: int, habit: Habit) -> list[Strand]:
    """One main crack with bypasses and up to five branches, which may branch again."""
    main = _crossing(rng, size, habit, rng.uniform(0, np.pi))
    strands = [main, *(_bypass(rng, main, habit) for _ in range(rng.poisson(1.2)))]
    for _ in range(min(5, rng.poisson(1.3))):
        strands.append(_branch(rng, main if rng.random() < 0.7 else strands[-1], size, habit))
    return strands


def parallel(rng: Generator, size: int, habit: Habit) -> list[Strand]:
    """Two or three cracks of about the same heading, the later ones thinner."""
    heading = rng.uniform(0, np.pi)
    thin = [1.0, 0.7, 0.5][: int(rng.integers(2, 4))]
    narrower = [replace(habit, width=max(HAIRLINE, habit.width * share)) for share in thin]
    return [_crossing(rng, size, thinner, heading + rng.uniform(-0.25, 0.25)) for thinner in narrower]


def cracked_map(rng: Generator, size: int, habit: Habit) -> list[Strand]:
    """Alligator cracking: most borders of irregular cells, each border a crack."""
    seeds = rng.uniform(-0.3 * size, 1.3 * size, (int(rng.integers(8, 30)), 2))
    diagram = Voronoi(seeds)
    corners = diagram.vertices @ np.array([1, 1j])
    strands = []
    for first, second in diagram.ridge_vertices:
        length = abs(corners[first] - corners[second])
        if first < 0 or not 4 * STEP < length < 2 * size or rng.random() < 0.12:
            continue
        points = _bridge(rng, corners[first], corners[second], habit)
        base = max(HAIRLINE, habit.width * rng.uniform(0.5, 1.0))
        strands.append(Strand(points, _widths(rng, len(points), base, habit)))
    return strands


LAYOUTS: dict[Callable[[Generator, int, Habit], list[Strand]], float] = {  # with the share of images of each
    tree: 0.75,
    parallel: 0.14,
    cracked_map: 0.11,
}
