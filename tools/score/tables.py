"""The tables that ``python -m tools.score`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from metrics import names
from tools.score.conventions import FIGURES, Row

TITLES = dict(zip(FIGURES, ("IoU", "mIoU", "F1", "Prec.", "Recall"), strict=True))
LABEL, CELL = 66, 8
OTHERS = {  # what has no conventions to choose from
    names.AP: "AP, step-wise, pooled",
    names.AIU: "AIU: IoU, mean over images and thresholds",
    names.CLIOU: "clIoU 4 px (OmniCrack30k), pooled, at 0.5",
    names.CLIOU_PREDICTED: "clIoU 4 px counted on predictions, mean, at 0.5",
    names.CLDICE: "clDice, mean, at 0.5",
    names.NSD: "surface Dice (NSD) 2 px, mean, at 0.5",
    names.HD95: "HD95 in px, mean, at 0.5; one of two empty: the diagonal",
    names.ECE: "ECE, 15 bins, of the chosen class",
    names.ECE_CRACK: "ECE, 15 bins, of the probability of crack",
}


def convention_tables(rows: Iterable[Row]) -> str:
    """A section for each treatment of the maps and choice of the threshold, a line for each convention."""
    sections = []
    for (maps, threshold), group in groupby(rows, key=lambda row: (row.maps, row.threshold)):
        head = f"maps {maps}, threshold: {threshold}"
        lines = [f"{head:<{LABEL}}" + "".join(f"{title:>{CELL}}" for title in TITLES.values())]
        lines.append("-" * len(lines[0]))
        for row in group:
            cells = "".join(f"{_cell(row.figures.get(name)):>{CELL}}" for name in FIGURES)
            at = ", ".join(f"{TITLES[name]} {value:.2f}" for name, value in row.at.items())
            lines.append(f"{row.convention:<{LABEL}}{cells}" + (f"  at {at}" if at else ""))
        sections.append("\n".join(lines))
    return "\n\n".join(sections)


def scsegamba_table(figures: Mapping[str, float]) -> str:
    """The figures as that project's evaluation gives them."""
    cells = "  ".join(f"{name} {_cell(value)}" for name, value in figures.items())
    return f"as SCSegamba's eval/evaluate.py: {cells}"


def other_figures(summary: Mapping[str, float]) -> str:
    """Figures that papers agree on, a line each, with how many of the predictions and masks are empty."""
    lines = [f"{title:<{LABEL}}{_cell(summary.get(name)):>{CELL}}" for name, title in OTHERS.items()]
    empty = f"{summary[names.EMPTY_PREDICTIONS]:.0f} predictions and {summary[names.EMPTY_MASKS]:.0f} masks"
    return "\n".join([*lines, f"empty at 0.5: {empty} of {summary[names.IMAGES]:.0f}"])


def _cell(value: float | None) -> str:
    if value is None or np.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"


def as_json(rows: Sequence[Row]) -> list[dict]:
    """The rows as plain data, without what does not apply."""
    return [
        {
            "maps": row.maps,
            "threshold": row.threshold,
            "convention": row.convention,
            **{name: value for name, value in row.figures.items() if np.isfinite(value)},
            **{f"{name}_at": value for name, value in row.at.items()},
        }
        for row in rows
    ]
