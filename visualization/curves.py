"""Figures of curves, drawn with matplotlib off screen and written as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visualization.figures import new_figure, polish, rendered, style_of


def iou_over_threshold(
    thresholds: Sequence[float] | np.ndarray,
    curves: Mapping[str, Sequence[float] | np.ndarray],
    path: Path | None = None,
    title: str = "IoU over threshold",
) -> np.ndarray:
    """Draw IoU [T] over thresholds [T] for each condition, with IoU_max marked and AIU in the legend.

    curves: by condition (or by the name of a method). Returns the figure, uint8 RGB [H,W,3].
    """
    figure, (axes,) = new_figure()
    grid = np.asarray(thresholds, float)
    for index, (name, values) in enumerate(curves.items()):
        iou, style = np.asarray(values, float), style_of(name, index)
        if np.isnan(iou).all():
            continue
        best = int(np.nanargmax(iou))
        label = f"{name}   IoU$_{{max}}$ {iou[best]:.3f}   AIU {np.nanmean(iou):.3f}"
        axes.plot(grid, iou, linewidth=1.8, label=label, **style)
        axes.plot(grid[best], iou[best], "o", color=style["color"], markersize=5)
    polish(axes, title, "threshold", "IoU")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    _legend_below(figure)
    return rendered(figure, path)


def _legend_below(figure: Figure) -> None:
    """Put one legend for the whole figure below it, where it can hide nothing."""
    if any(axes.get_legend_handles_labels()[0] for axes in figure.axes):
        figure.legend(frameon=False, fontsize=9, loc="outside lower center")


def precision_recall(
    curves: Mapping[str, tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]],
    path: Path | None = None,
    title: str = "Precision and recall",
) -> np.ndarray:
    """Draw precision over recall for each condition, over lines of equal Dice.

    curves: (recall [T], precision [T]) by condition, in the order of the thresholds. The best Dice
    of each is marked. Returns the figure, uint8 RGB [H,W,3].
    """
    figure, (axes,) = new_figure(height=4.8)
    _equal_dice(axes)
    for index, (name, (recall, precision)) in enumerate(curves.items()):
        r, p, style = np.asarray(recall, float), np.asarray(precision, float), style_of(name, index)
        dice = 2 * p * r / np.maximum(p + r, 1e-12)
        if np.isnan(dice).all():
            continue
        best = int(np.nanargmax(dice))
        axes.plot(r, p, linewidth=1.8, label=f"{name}   best Dice {dice[best]:.3f}", **style)
        axes.plot(r[best], p[best], "o", color=style["color"], markersize=5)
    polish(axes, title, "recall", "precision")
    axes.grid(False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    _legend_below(figure)
    return rendered(figure, path)


def _equal_dice(axes: Axes) -> None:
    """Draw faint lines on which precision and recall give the same Dice."""
    for dice in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(dice / (2 - dice), 1, 100)
        precision = dice * recall / (2 * recall - dice)
        axes.plot(recall, precision, color="0.85", linewidth=0.9, zorder=0)
        axes.text(1.01, precision[-1], f"Dice {dice}", color="0.5", fontsize=8, va="center")
