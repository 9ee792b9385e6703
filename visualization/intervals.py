"""Differences and their intervals, one row for each comparison, around a line at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visualization.drawing import GREEN, GREY, VERMILLION
from visualization.figures import new_figure, polish, rendered, rgb

COLOURS = {"better": rgb(GREEN), "worse": rgb(VERMILLION), "tie": rgb(GREY)}
MARKERS = {"better": "^", "worse": "v", "tie": "o"}  # another verdict: as a tie


class Interval(NamedTuple):
    """A difference with its interval.

    Attributes:
        label: of the row.
        estimate: the difference.
        low: lower end.
        high: upper end.
        verdict: better, worse, tie; anything else is drawn as a tie.
    """

    label: str
    estimate: float
    low: float
    high: float
    verdict: str


def intervals(panels: Mapping[str, Sequence[Interval]], path: Path | None = None) -> np.ndarray:
    """Draw intervals, one panel for each metric, and return the figure, uint8 RGB [H,W,3].

    Args:
        panels: rows by title of the panel.
        path: of the PNG file, or None.
    """
    rows = max(len(panel) for panel in panels.values())
    figure, all_axes = new_figure(len(panels), width=3.4, height=1.3 + 0.34 * rows)
    for axes, (title, panel) in zip(all_axes, panels.items(), strict=True):
        for position, row in enumerate(panel):
            verdict = row.verdict if row.verdict in COLOURS else "tie"
            style = {"color": COLOURS[verdict], "linewidth": 1.8}
            axes.plot([row.low, row.high], [position, position], solid_capstyle="butt", **style)
            axes.plot(row.estimate, position, MARKERS[verdict], color=COLOURS[verdict], markersize=6)
        axes.axvline(0, color="0.35", linewidth=1, zorder=0)
        polish(axes, title, "difference, 95 % interval", "")
        axes.set_yticks(range(len(panel)), [row.label for row in panel])
        axes.set_ylim(rows - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=5)
        axes.margins(x=0.08)
    for verdict, colour in COLOURS.items():
        all_axes[0].plot([], [], MARKERS[verdict], color=colour, label=verdict)
    figure.legend(frameon=False, fontsize=9, ncols=3, loc="outside lower center")
    return rendered(figure, path)
