"""The figures of a model card: tables of what a release's measurement found, with 95% intervals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from contracts.markdown import table as markdown_table
from metrics.earlier import named_as_today
from metrics.names import METRICS
from tools.release.tables import cell

COLUMNS = [name for name, metric in METRICS.items() if metric.heading]
NOT_MEASURED = "Not measured."


def read_measured(path: Path) -> dict[str, Any]:
    """{"sets": {SET: {CONDITION: {METRIC: {"mean", "low", "high", "images"}}}}, "false_alarms": {...}} of a file.

    Raises UserError for something else.
    """
    if not path.is_file():
        raise UserError(f"--results {path} does not exist; measure first, or leave it out")
    try:
        content = named_as_today(json.loads(path.read_text(encoding="utf-8")))
        for conditions in content["sets"].values():
            for figures in conditions.values():
                for figure in figures.values():
                    cell(figure)
        content.get("false_alarms", {}).items()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"--results {path} holds no results with intervals; give what the measurement wrote") from None
    return content


def tables(content: Mapping[str, Any] | None) -> str:
    """A Markdown table for each set, with a row for each condition; ``NOT_MEASURED`` where there is none."""
    sets = {} if content is None else content["sets"]
    return "\n\n".join(_of_set(name, conditions) for name, conditions in sets.items()) or NOT_MEASURED


def false_alarms(content: Mapping[str, Any] | None) -> str:
    """All figures on photographs without a crack, a row each, called by where they stand."""
    rows = [] if content is None else list(_figures(content.get("false_alarms", {}), ()))
    if not rows:
        return NOT_MEASURED
    cells = [(", ".join(path).replace("_", " "), cell(figure), figure["images"]) for path, figure in rows]
    return markdown_table(("on photographs without a crack", "mean, 95% interval", "photographs"), cells)


def _of_set(name: str, conditions: Mapping[str, Mapping[str, Any]]) -> str:
    columns = [key for key in COLUMNS if any(key in figures for figures in conditions.values())]
    images = max((figure["images"] for figures in conditions.values() for figure in figures.values()), default=0)
    rows = [
        [condition, *(cell(figures.get(key), METRICS[key].digits) for key in columns)]
        for condition, figures in conditions.items()
    ]
    return markdown_table([f"`{name}`, {images} photographs", *(METRICS[key].heading for key in columns)], rows)


def _figures(content: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Everything with a mean in nested entries, with the names on the way to it."""
    if not isinstance(content, Mapping):
        return
    if "mean" in content:
        yield path, content
        return
    for name, inner in content.items():
        yield from _figures(inner, (*path, str(name)))
