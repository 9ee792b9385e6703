"""How all figures look: colours by input condition, axes, off-screen rendering.

Colours belong to the input condition and are the same in every figure; line styles differ too, so
that the curves stay apart in black and white.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from contracts.files import write_bytes
from visualization.drawing import GREEN, INK, ORANGE, SKY_BLUE, VERMILLION


def rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return an 8-bit colour in matplotlib's range."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


STYLES = {
    "hr": {"color": rgb(INK), "linestyle": "--"},
    "clean": {"color": rgb(SKY_BLUE), "linestyle": "-."},
    "degraded": {"color": rgb(VERMILLION), "linestyle": "-"},
}
OTHER_COLOURS = [rgb(c) for c in (INK, VERMILLION, SKY_BLUE, GREEN, ORANGE)]
DOTS_PER_INCH = 150


def style_of(name: str, index: int) -> dict:
    """Return colour and line style of a curve.

    Args:
        name: a condition, or another one: that gets a colour by ``index``.
        index: of the curve in its figure.
    """
    known = STYLES.get(name)
    return dict(known) if known else {"color": OTHER_COLOURS[index % len(OTHER_COLOURS)]}


def polish(axes: Axes, title: str, horizontal: str, vertical: str) -> None:
    """Give axes their texts, a light grid and no box.

    Args:
        axes: changed in place.
        title: above them.
        horizontal: what their horizontal axis shows.
        vertical: what their vertical axis shows.
    """
    axes.set_title(title, fontsize=11, fontweight="bold", loc="left")
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.grid(True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def new_figure(columns: int = 1, width: float = 5.2, height: float = 4.0) -> tuple[Figure, np.ndarray]:
    """Return an off-screen figure with a row of axes.

    Args:
        columns: number of axes.
        width: of each, inches.
        height: of each, inches.

    Returns:
        The figure and its axes [columns].
    """
    figure = Figure(figsize=(columns * width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False).ravel()


def rendered(figure: Figure, path: Path | None) -> np.ndarray:
    """Return a figure's pixels, uint8 RGB [H,W,3].

    Args:
        figure: as ``new_figure`` made it.
        path: of a PNG file to write as well; None: none.
    """
    canvas = figure.canvas
    canvas.draw()
    if path is not None:
        content = io.BytesIO()
        figure.savefig(content, format="png")
        write_bytes(path, content.getbuffer())
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]
