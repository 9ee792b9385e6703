"""Charts of figures: the confusion of pixels, and scores as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from visualization.figures import new_figure, polish, rendered, style_of


def confusion(counts: Mapping[str, Sequence[float]], path: Path | None = None) -> np.ndarray:
    """Draw the confusion of all pixels for each condition; returns the figure, uint8 RGB [H,W,3].

    counts: by condition, pixels that are true positives, false positives, false negatives, true negatives.
    A cell holds their number and their share of the row, that is of what is there.
    """
    figure, panes = new_figure(len(counts), width=3.6, height=3.9)
    for axes, (name, four) in zip(panes, counts.items(), strict=True):
        positive, false, missed, negative = four
        _matrix(axes, np.array([[positive, missed], [false, negative]], float))
        axes.set_title(name, fontsize=11, fontweight="bold", loc="left")
    return rendered(figure, path)


def _matrix(axes: Axes, cells: np.ndarray) -> None:
    shares = cells / np.maximum(cells.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            told = f"{100 * shares[row, column]:.1f}%\n{int(cells[row, column]):,} px"
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, told, ha="center", va="center", color=colour, fontsize=10)
    axes.set_xticks([0, 1], ["crack", "background"])
    axes.set_yticks([0, 1], ["crack", "background"], rotation=90, va="center")
    axes.set_xlabel("predicted at 0.5")
    axes.set_ylabel("truth")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def bars(
    scores: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    path: Path | None = None,
    title: str = "Means over images at 0.5",
) -> np.ndarray:
    """Draw scores in [0, 1] as groups of bars, one bar for each condition; returns uint8 RGB [H,W,3].

    scores: by condition, as many as ``labels``; NaN leaves a gap.
    """
    figure, (axes,) = new_figure(width=6.4, height=3.8)
    width = 0.8 / len(scores)
    for index, (name, values) in enumerate(scores.items()):
        places = np.arange(len(labels)) + (index - (len(scores) - 1) / 2) * width
        colour = style_of(name, index)["color"]
        drawn = axes.bar(places, np.nan_to_num(values), width * 0.92, label=name, color=colour)
        told = ["" if np.isnan(value) else f"{value:.2f}" for value in values]
        axes.bar_label(drawn, told, fontsize=8, padding=2)
    polish(axes, title, "", "")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(0, 1.08)
    axes.legend(frameon=False, ncols=len(scores), loc="upper right", bbox_to_anchor=(1, 1.13))
    return rendered(figure, path)
