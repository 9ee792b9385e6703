"""What restoring does for the width of a crack: the same drawn cracks, degraded, measured with and without it."""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table
from csbsr.predictor import Predictor, load
from data.synthetic.light import photograph
from data.synthetic.source import TEXTURES
from degradations.presets import PRESETS, build_pipeline
from engine.runtime.progress import Progress
from metrics.figure import Figure
from metrics.geometry import Crack, measure

EXPLANATION = """\
A wavy crack of one width is drawn into asphalt, concrete or plaster of 448 x 448 pixels, photographed, and reduced by
4 as a degradation says. Widths are those of the regions that lie on the crack, weighted by length, in pixels of the
sharp photograph, across the probability map and across the photograph.

  python -m benchmarks.width_restoration
  python -m benchmarks.width_restoration --degradation strong --widths 6 --count 20
"""
SIDE, FINE = 448, 4  # px; samples of a pixel's side
WAVE, AMPLITUDE = 260.0, 14.0  # px
BESIDE = 4.0  # px, between a crack and what is found, for it to be the crack
WIDTHS = (3.0, 4.0, 6.0, 9.0, 14.0, 20.0)
SHARP, REDUCED, ENLARGED, RESTORED = "sharp", "reduced", "enlarged (bicubic)", "restored"
HEADING = (
    "width / px",
    "measured on",
    "found / %",
    "across the map: error / %",
    "across the photograph: error / %",
    "within two uncertainties / %",
)


def wavy(width: float, angle: float, phase: float) -> NDArray[np.float32]:
    """Coverage [SIDE,SIDE] of a crack through the middle, of one width (to 1%) along a sine.

    Args:
        width: pixels.
        angle: of its axis, radians.
        phase: of the sine, radians.
    """
    positions = (np.arange(SIDE * FINE) + 0.5) / FINE - SIDE / 2
    y, x = np.meshgrid(positions, positions, indexing="ij")
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    turn = 2 * math.pi / WAVE
    slope = AMPLITUDE * turn * np.cos(turn * along + phase)
    distance = np.abs(across - AMPLITUDE * np.sin(turn * along + phase)) / np.sqrt(1 + slope**2)
    return (distance <= width / 2).reshape(SIDE, FINE, SIDE, FINE).mean((1, 3)).astype(np.float32)


def drawn(width: float, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A photograph [SIDE,SIDE,3] of a crack, and the crack's coverage."""
    rng = np.random.default_rng(seed)
    surface = list(TEXTURES)[seed % len(TEXTURES)](rng, SIDE)
    covered = wavy(width, rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi))
    dark = np.clip(surface.brightness, 0.3, 1.15) * (1 - rng.uniform(0.55, 0.85))
    surface.brightness += (dark - surface.brightness) * covered
    surface.relief *= 1 - covered
    return photograph(rng, surface), covered


@dataclass(frozen=True)
class Answer:
    """Mean width in pixels of the sharp photograph, None where the crack was not found, and the share found."""

    width: Figure | None
    found: float


def answer(prob: NDArray, grey: NDArray | None, covered: NDArray[np.float32], factor: float) -> Answer:
    """What a map tells of the crack.

    Args:
        prob: [H,W].
        grey: of the photograph, [H,W], or None.
        covered: by the true crack, [SIDE,SIDE].
        factor: pixels of the sharp photograph to one of the map.
    """
    distance = ndimage.distance_transform_edt(covered < 0.5)
    kept: list[Crack] = []
    seen = np.zeros_like(covered, bool)
    for crack in measure(prob, 0.5, grey):
        if crack.mean_width is None:
            continue
        points = np.concatenate(crack.lines) * factor + (factor - 1) / 2
        places = tuple(np.rint(points).astype(int).clip(0, SIDE - 1).T)
        if np.median(distance[places]) <= BESIDE:
            kept.append(crack)
            seen[places] = True
    line = distance == 0
    reached = ndimage.distance_transform_edt(~seen) <= 2 * factor + 10 if seen.any() else seen
    found = float((reached & line).sum() / line.sum())
    lengths = np.array([crack.length.value for crack in kept if crack.length])
    if not len(lengths):
        return Answer(None, 0.0)
    widths = [crack.mean_width for crack in kept if crack.mean_width]
    mean = np.average([width.value for width in widths], weights=lengths)
    unsure = np.average([width.uncertainty for width in widths], weights=lengths)
    return Answer(Figure(float(mean * factor), float(unsure * factor)), found)


def answers(
    predictor: Predictor, sharp: NDArray[np.uint8], covered: NDArray[np.float32], reduced: NDArray[np.uint8]
) -> Iterator[tuple[str, Answer, Answer]]:
    """What each way finds, across its map and across its photograph."""
    enlarged = cv2.resize(reduced, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    for way, image, restore in (
        (SHARP, sharp, "never"),
        (REDUCED, reduced, "never"),
        (ENLARGED, enlarged, "never"),
        (RESTORED, reduced, "always"),
    ):
        found = predictor(image, restore=restore)
        grey = cv2.cvtColor(image if found.restored is None else found.restored, cv2.COLOR_RGB2GRAY)
        factor = SIDE / found.fine.shape[0]
        yield way, answer(found.fine, None, covered, factor), answer(found.fine, grey, covered, factor)


def rows(found: Mapping[tuple[float, str], Sequence[tuple[Answer, Answer]]]) -> Iterator[tuple[str, ...]]:
    """The cells of the table: medians of the errors, with the sign, and of their sizes."""
    for (width, way), pairs in found.items():
        cells = []
        for which in (0, 1):
            values = [pair[which].width for pair in pairs]
            errors = np.array([100 * (value.value / width - 1) for value in values if value])
            cells.append(f"{np.median(errors):+.0f} ({np.median(np.abs(errors)):.0f})" if len(errors) else "-")
        known = [grey.width for _, grey in pairs if grey.width]
        inside = [abs(figure.value - width) <= 2 * figure.uncertainty for figure in known]
        share = f"{100 * np.mean(inside):.0f}" if inside else "-"
        yield f"{width:g}", way, f"{100 * np.mean([pair[0].found for pair in pairs]):.0f}", *cells, share


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for widths that cannot be drawn."""
    parser = module_parser("benchmarks.width_restoration", __doc__, EXPLANATION)
    add = parser.add_argument
    add("--widths", type=float, nargs="+", default=WIDTHS, metavar="PX", help="of the cracks, in the sharp photograph")
    add("--count", type=int, default=8, help="photographs for each width (unset: 8)")
    add("--degradation", choices=tuple(PRESETS), default="field", help="how they are reduced (unset: field)")
    add("--weights", metavar="FILE", help="unset: the shipped weights")
    args = parser.parse_args(arguments)
    if not all(1 <= width <= 40 for width in args.widths) or args.count < 1:
        raise UserError("--widths and --count: give widths from 1 to 40 px, and a photograph or more")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    predictor, pipeline = load(args.weights), build_pipeline(args.degradation, quantise=True)
    found: dict[tuple[float, str], list[tuple[Answer, Answer]]] = defaultdict(list)
    with Progress(len(args.widths) * args.count, "measuring") as bar:
        for width in args.widths:
            for seed in range(args.count):
                sharp, covered = drawn(width, seed)
                hr = torch.from_numpy(sharp).permute(2, 0, 1)[None].float() / 255
                lr = pipeline(hr, [f"crack_{width:g}_{seed}"], seed=0).lr[0].permute(1, 2, 0).numpy()
                for way, *pair in answers(predictor, sharp, covered, np.rint(255 * lr).astype(np.uint8)):
                    found[width, way].append((pair[0], pair[1]))
                bar.update()
    print(table(HEADING, rows(found)))


if __name__ == "__main__":
    run_main(main)
