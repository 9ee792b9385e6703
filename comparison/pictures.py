"""The intervals as a figure, and the photographs on which two systems disagree most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from comparison.analysis import Comparison
from comparison.measures import measured
from comparison.systems import MODEL, Run, System
from comparison.tables import title
from contracts.errors import UserError
from data.protocol import Source
from data.sources import fingerprint
from engine.build.data import build_source
from engine.evaluate.maps import read_map
from engine.options import Drawn, Folder
from metrics import names
from visualization.drawing import PAPER, resized, write
from visualization.intervals import Interval, intervals
from visualization.panels import FALSE_NEGATIVE, FALSE_POSITIVE, LEGEND, TRUE_POSITIVE, error_image

EACH_WAY = 3  # photographs
COLUMNS = 4  # of the intervals
SIDE, GAP, LINE = 300, 12, 28  # pixels


def interval_figure(comparison: Comparison) -> np.ndarray:
    """Differences of all rows, a panel for each metric, uint8 RGB [H,W,3]."""
    several = len(comparison.settings.conditions) > 1
    panels: dict[str, list[Interval]] = {}
    for row in comparison.rows:
        label = f"{row.system} - {row.reference}" if comparison.settings.all_pairs else row.system
        apart = row.difference
        panels.setdefault(title(row.metric), []).append(
            Interval(
                f"{label}, {row.condition}" if several else label, apart.estimate, apart.low, apart.high, row.verdict
            )
        )
    titles = list(panels)
    lines = [titles[start : start + COLUMNS] for start in range(0, len(titles), COLUMNS)]
    figures = [intervals({name: panels[name] for name in line}) for line in lines]
    width = max(figure.shape[1] for figure in figures)
    return np.vstack([np.pad(f, ((0, 0), (0, width - f.shape[1]), (0, 0)), constant_values=255) for f in figures])


def disagreement_sheet(system: System, reference: System, condition: str, metric: str) -> np.ndarray:
    """Photographs on which two systems differ most, uint8 RGB [H,W,3].

    A row holds the photograph and the errors at 0.5 of the reference's first training and of the system's; the rows
    are those of the largest gains of the system, then those of its largest losses.

    Args:
        system: with maps of its first training.
        reference: likewise.
        condition: hr, clean or degraded.
        metric: that decides what differs most.

    Raises:
        UserError: where a map or the photographs are not there.
    """
    apart = measured(system, condition, metric).per_image() - measured(reference, condition, metric).per_image()
    gain = -apart if names.base_of(metric) in names.LOWER_IS_BETTER else apart
    photographs = system.runs[0].conditions[condition].names
    order = np.argsort(np.nan_to_num(gain), kind="stable")
    chosen = [*(i for i in order[::-1][:EACH_WAY] if gain[i] > 0), *(i for i in order[:EACH_WAY][::-1] if gain[i] < 0)]
    maps = {
        (i, run.folder): _map(run.fold_of(photographs[i]), condition, photographs[i])
        for i in chosen
        for run in (reference.runs[0], system.runs[0])
    }
    where = _photographs(system.runs[0])
    rows = []
    for index in chosen:
        source, number = where[photographs[index]]
        image, mask = source.load(number)
        caption = f"{photographs[index]}   {title(metric)} of {system.label} {apart[index]:+.3f}"
        shown = [image]
        for run in (reference.runs[0], system.runs[0]):
            prob = maps[index, run.folder]
            height, width = prob.shape
            shown.append(error_image(image[:height, :width], prob >= 0.5, mask[:height, :width] > 0.5))
        rows.append((caption, shown))
    if not rows:
        raise UserError(f"{system.label} and {reference.label} are equal on every photograph under {condition}")
    return _sheet(rows, ["photograph", reference.label, system.label])


def _photographs(run: Run) -> dict[str, tuple[Source, int]]:
    """Where each test photograph of a run is, by the options in its results. Raises UserError if these changed."""
    where: dict[str, tuple[Source, int]] = {}
    for fold in run.folds or (run,):
        try:
            options: Drawn | Folder = TypeAdapter(Drawn | Folder).validate_python(fold.meta["test_options"])
        except ValueError:
            raise UserError("its results name their photographs as another version does") from None
        source = build_source(options, "datasets.test")
        if fingerprint(source) != fold.meta["protocol"]["photographs"]:
            raise UserError("the photographs in datasets.test are no longer those that were evaluated")
        where |= {source.name(index): (source, index) for index in range(len(source))}
    return where


def _map(run: Run, condition: str, name: str) -> np.ndarray:
    if run.system != MODEL:
        raise UserError(f"no maps are kept of the {run.system} baseline")
    return read_map(run.folder, condition, name)


def _sheet(rows: list[tuple[str, list[np.ndarray]]], titles: list[str]) -> np.ndarray:
    width = len(titles) * (SIDE + GAP) + GAP
    scaled = [[_fitted(image) for image in images] for _, images in rows]
    heights = [max(image.shape[0] for image in images) for images in scaled]
    canvas = Image.new("RGB", (width, LINE + sum(heights) + len(rows) * (LINE + GAP) + LINE), PAPER)
    lefts = [GAP + column * (SIDE + GAP) for column in range(len(titles))]
    for left, text in zip(lefts, titles, strict=True):
        write(canvas, text, (left, left + SIDE, LINE // 2), 17, bold=True)
    top = LINE
    for (caption, _), images, height in zip(rows, scaled, heights, strict=True):
        write(canvas, caption, (GAP, width - GAP, top + LINE // 2), 14, centred=False)
        for left, image in zip(lefts, images, strict=True):
            canvas.paste(Image.fromarray(image), (left + (SIDE - image.shape[1]) // 2, top + LINE))
        top += LINE + height + GAP
    legend = ", ".join(f"{name} {_COLOUR[colour]}" for name, colour in LEGEND)
    write(
        canvas,
        f"errors of the first training at 0.5, first degradation: {legend}; figures: means over all",
        (GAP, width - GAP, top + LINE // 2 - GAP),
        13,
        centred=False,
    )
    return np.asarray(canvas)


_COLOUR = {TRUE_POSITIVE: "white", FALSE_POSITIVE: "orange", FALSE_NEGATIVE: "blue"}


def _fitted(image: np.ndarray) -> np.ndarray:
    factor = SIDE / max(image.shape[:2])
    return resized(image, max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor)))


def pictures(comparison: Comparison) -> Iterator[tuple[str, np.ndarray]]:
    """File names and pictures; what cannot be drawn is told in a line and left out."""
    yield "intervals.png", interval_figure(comparison)
    condition = comparison.settings.conditions[-1]
    metric = next((row.metric for row in comparison.rows if row.condition == condition), None)
    if metric is None:
        return
    for number, system in enumerate(comparison.systems[1:], 1):
        try:
            sheet = disagreement_sheet(system, comparison.systems[0], condition, metric)
        except UserError as error:
            print(f"no picture of the disagreement of {system.label}: {error}")
            continue
        yield f"disagreement_{number}.png", sheet
