"""Lines of several systems over one quantity: the mean of each, and the band of what its trainings reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visualization.figures import OTHER_COLOURS, new_figure, polish, rendered

MARKERS = "osD^v"
Line = tuple[NDArray[np.float64], NDArray[np.float64]]  # what it is drawn over [P], and the values [P]


def lines(
    systems: Mapping[str, Sequence[Line]],
    horizontal: str,
    vertical: str,
    path: Path | None = None,
    title: str = "Learning curves",
) -> np.ndarray:
    """Draw the lines and return the figure, uint8 RGB [H,W,3].

    Trainings of one system are interpolated to the positions of the first, as far as all of them go.

    Args:
        systems: lines of one or more trainings by label; positions rise.
        horizontal: what the lines are over, with its unit.
        vertical: what they show, with its unit.
        path: of the PNG file, or None.
        title: of the figure.
    """
    figure, (axes,) = new_figure(width=6.4)
    for index, (label, trainings) in enumerate(systems.items()):
        colour, marker = OTHER_COLOURS[index % len(OTHER_COLOURS)], MARKERS[index // len(OTHER_COLOURS) % len(MARKERS)]
        start, end = max(x[0] for x, _ in trainings), min(x[-1] for x, _ in trainings)
        first = trainings[0][0]
        grid = np.unique(np.concatenate([[start], first[(first > start) & (first < end)], [end]]))
        values = np.stack([np.interp(grid, x, y) for x, y in trainings])
        many = f" ({len(trainings)} trainings)" if len(trainings) > 1 else ""
        axes.plot(grid, values.mean(0), color=colour, linewidth=1.8, marker=marker, markersize=4, label=label + many)
        if len(trainings) > 1:
            axes.fill_between(grid, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
    polish(axes, title, horizontal, vertical)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=2)
    return rendered(figure, path)
