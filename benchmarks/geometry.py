"""How well lengths and widths are measured, on cracks drawn by formula: ``python -m benchmarks.geometry``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table
from metrics.geometry import measure

EXPLANATION = """\
Bars of 120 px and each width at angles all around, shifted by fractions of a pixel, are drawn at eight times the size.
As masks, pixels are crack where at least half of them is covered; as maps they hold the share that is covered.

  python -m benchmarks.geometry
  python -m benchmarks.geometry --widths 1.5 4 --angles 36
"""
FINE = 8  # samples of a pixel's side
SIDE, LENGTH = 170, 120.0  # px
WIDTHS = (1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
HEADING = (
    "width / px",
    "drawn as",
    "mean error of the width / px",
    "largest / px",
    "within two uncertainties",
    "length / %",
    "95th percentile / px",
)


def coverage(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much of each pixel is covered [H,W], from FINE x FINE samples of it [H*FINE,W*FINE]."""
    height, width = (side // FINE for side in inside.shape)
    return inside.reshape(height, FINE, width, FINE).mean((1, 3))


def grid(side: int = SIDE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns of the samples of a square of ``side`` pixels; centres of pixels are whole numbers."""
    positions = (np.arange(side * FINE) + 0.5) / FINE - 0.5
    rows, columns = np.meshgrid(positions, positions, indexing="ij")
    return rows, columns


def bar(width: float, length: float, angle: float, shift: Sequence[float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """Coverage of a bar.

    Args:
        width: across, pixels.
        length: along, pixels.
        angle: counter-clockwise from the right, degrees.
        shift: of its middle from that of the square, rows and columns.
    """
    y, x = grid()
    down, right, turn = (SIDE - 1) / 2 + shift[0], (SIDE - 1) / 2 + shift[1], math.radians(angle)
    along = (x - right) * math.cos(turn) - (y - down) * math.sin(turn)
    across = (x - right) * math.sin(turn) + (y - down) * math.cos(turn)
    return coverage((np.abs(along) <= length / 2) & (np.abs(across) <= width / 2))


def rows(widths: Sequence[float], angles: int, seed: int = 0) -> Iterator[tuple[str, ...]]:
    """The cells of the table, a row for each width as a mask and as a map.

    Args:
        widths: of the bars.
        angles: number of them, even over 180 degrees.
        seed: of the shifts.
    """
    random = np.random.default_rng(seed)
    for width in widths:
        drawn = [
            bar(width, LENGTH, 180 * (index + random.uniform()) / angles, tuple(random.uniform(-0.5, 0.5, 2)))
            for index in range(angles)
        ]
        for kind, profiles in (("mask", [image >= 0.5 for image in drawn]), ("map", drawn)):
            found = [max(measure(profile), key=lambda crack: crack.area) for profile in profiles]
            cracks = [crack for crack in found if crack.mean_width and crack.p95_width and crack.length]
            errors = np.array([crack.mean_width.value - width for crack in cracks])  # type: ignore[union-attr]
            uncertain = np.array([crack.mean_width.uncertainty for crack in cracks])  # type: ignore[union-attr]
            lengths = np.array([crack.length.value for crack in cracks]) / LENGTH  # type: ignore[union-attr]
            high = np.mean([crack.p95_width.value for crack in cracks])  # type: ignore[union-attr]
            yield (
                f"{width:g}",
                kind,
                f"{errors.mean():+.3f}",
                f"{np.abs(errors).max():.2f}",
                f"{np.mean(np.abs(errors) <= 2 * uncertain):.0%}",
                f"{100 * lengths.min():.1f} to {100 * lengths.max():.1f}",
                f"{high:.2f}",
            )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for widths and numbers that cannot be drawn."""
    parser = module_parser("benchmarks.geometry", __doc__, EXPLANATION)
    parser.add_argument("--widths", type=float, nargs="+", default=WIDTHS, metavar="PX", help="of the bars")
    parser.add_argument("--angles", type=int, default=24, help="number of them (unset: 24)")
    args = parser.parse_args(arguments)
    if not all(1 <= width <= 40 for width in args.widths) or args.angles < 1:
        raise UserError("--widths and --angles: give widths from 1 to 40 px, and an angle or more")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    print(table(HEADING, rows(args.widths, args.angles)))


if __name__ == "__main__":
    run_main(main)
