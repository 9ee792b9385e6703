"""Figures of an evaluation, drawn off screen: curves over thresholds, the confusion of pixels, scores as bars.

Every function returns the figure, uint8 RGB [H,W,3], and writes it as PNG where a path is given.
"""

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
    """Draw IoU over thresholds for each condition, with IoU_max marked and AIU in the legend.

    Args:
        thresholds: [T].
        curves: IoU [T] by condition (or by the name of a method).
        path: of the PNG file, or None.
        title: of the figure.
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

    The best Dice of each is marked.

    Args:
        curves: (recall [T], precision [T]) by condition, in the order of the thresholds.
        path: of the PNG file, or None.
        title: of the figure.
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


def confusion(counts: Mapping[str, Sequence[float]], path: Path | None = None) -> np.ndarray:
    """Draw the confusion matrix of all pixels for each condition.

    A cell holds its number of pixels and their share of the row, that is of the true class.

    Args:
        counts: by condition, the numbers of true positives, false positives, false negatives, true negatives.
        path: of the PNG file, or None.
    """
    figure, all_axes = new_figure(len(counts), width=3.6, height=3.9)
    for axes, (name, pixels) in zip(all_axes, counts.items(), strict=True):
        true_positive, false_positive, false_negative, true_negative = pixels
        _matrix(axes, np.array([[true_positive, false_negative], [false_positive, true_negative]], float))
        axes.set_title(name, fontsize=11, fontweight="bold", loc="left")
    return rendered(figure, path)


def _matrix(axes: Axes, cells: np.ndarray) -> None:
    """Draw a confusion matrix [2,2], truth by prediction, in pixels."""
    shares = cells / np.maximum(cells.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            label = f"{100 * shares[row, column]:.1f}%\n{int(cells[row, column]):,} px"
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, label, ha="center", va="center", color=colour, fontsize=10)
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
    """Draw scores as groups of bars, one bar for each condition.

    Args:
        scores: by condition, as many as ``labels``, in [0, 1]; NaN leaves a gap.
        labels: of the groups.
        path: of the PNG file, or None.
        title: of the figure.
    """
    figure, (axes,) = new_figure(width=6.4, height=3.8)
    width = 0.8 / len(scores)
    for index, (name, values) in enumerate(scores.items()):
        centres = np.arange(len(labels)) + (index - (len(scores) - 1) / 2) * width
        colour = style_of(name, index)["color"]
        container = axes.bar(centres, np.nan_to_num(values), width * 0.92, label=name, color=colour)
        numbers = ["" if np.isnan(value) else f"{value:.2f}" for value in values]
        axes.bar_label(container, numbers, fontsize=8, padding=2)
    polish(axes, title, "", "")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(0, 1.08)
    axes.legend(frameon=False, ncols=len(scores), loc="upper right", bbox_to_anchor=(1, 1.13))
    return rendered(figure, path)
