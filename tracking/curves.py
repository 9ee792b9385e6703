"""Figures of curves, drawn with matplotlib off screen and written as PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tracking.figures import OTHER_COLOURS, new_figure, polish, rendered, style_of
from tracking.keys import CONDITIONS, LOSS_KEYS, SCHEDULE_KEYS, STEP, TRAIN_LOSS, val_key

METRIC_NAMES = {"dice": "Dice", "iou": "IoU", "iou_max": "IoU_max", "aiu": "AIU", "psnr": "PSNR / dB"}


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


def _series(entries: Sequence[Mapping[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps and values at which a key was logged."""
    points = [(e[STEP], e[key]) for e in entries if key in e and math.isfinite(e[key])]
    array = np.asarray(points, float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Return the running mean over ``window`` values, shorter at the ends."""
    sums = np.convolve(values, np.ones(window), mode="same")
    counts = np.convolve(np.ones_like(values), np.ones(window), mode="same")
    return sums / counts


def _draw_keys(axes: Axes, entries: Sequence[Mapping[str, float]], keys: Sequence[str]) -> None:
    """Draw training keys over the step: the logged values faint, their running mean on top."""
    present = [key for key in keys if any(key in entry for entry in entries)]
    for index, key in enumerate(present):
        steps, values = _series(entries, key)
        colour = OTHER_COLOURS[index % len(OTHER_COLOURS)]
        style = "-" if index < len(OTHER_COLOURS) else ":"
        window = max(1, len(values) // 40)
        if window > 1:
            axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
        mean = _smoothed(values, window)
        axes.plot(steps, mean, style, color=colour, linewidth=1.6, label=key.removeprefix("train/"))


def training_curves(
    entries: Sequence[Mapping[str, float]], path: Path | None = None, metric: str = "dice"
) -> np.ndarray:
    """Draw the course of a training: losses, validation metric per condition, learning rate and gradient.

    entries: of ``metrics_log.read_metrics``. Returns the figure, uint8 RGB [H,W,3].
    """
    figure, (losses, validation, schedule) = new_figure(columns=3, width=4.6, height=3.6)
    _draw_keys(losses, entries, LOSS_KEYS)
    polish(losses, "Training losses", "step", "loss")
    for condition in CONDITIONS:
        steps, values = _series(entries, val_key(condition, metric))
        if steps.size:
            validation.plot(steps, values, marker=".", label=condition, **style_of(condition, 0))
    shown = METRIC_NAMES.get(metric, metric)
    polish(validation, f"Validation {shown}", "step", shown)
    _draw_keys(schedule, entries, SCHEDULE_KEYS)
    schedule.set_yscale("log")
    polish(schedule, "Schedule and gradient", "step", "value")
    values = _series(entries, TRAIN_LOSS)[1]
    if values.size and values.min() > 0 and values.max() > 50 * values.min():
        losses.set_yscale("log")
    for axes in (losses, validation, schedule):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
    return rendered(figure, path)
