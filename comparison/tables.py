"""A comparison as text: Markdown, CSV, LaTeX and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from comparison.analysis import Comparison, Row
from comparison.systems import System
from contracts.markdown import table as markdown_table
from metrics import names

COLUMNS = (
    "metric", "photographs", "system", "reference", "difference", "95 % interval",
    "p (Holm)", "d_z", "better on", "verdict",
)  # fmt: skip


def digits(metric: str) -> int:
    """After the point, as in the tables of evaluate.py."""
    known = names.METRICS.get(names.base_of(metric))
    return known.digits if known else 3


def interval(row: Row) -> str:
    """The 95 % interval with signs, "-" for none."""
    if math.isnan(row.difference.low):
        return "-"
    places = digits(row.metric)
    return f"{row.difference.low:+.{places}f} to {row.difference.high:+.{places}f}"


def title(metric: str) -> str:
    """How a metric is headed."""
    known = names.METRICS.get(names.base_of(metric))
    heading = known.heading if known else ""
    if known is None or not heading:
        return metric
    chosen = "" if names.base_of(metric) == metric else " at threshold"
    return f"{heading}{chosen}{f' / {known.unit}' if known.unit else ''}"


def _cells(row: Row) -> list[str]:
    apart, places = row.difference, digits(row.metric)
    return [
        title(row.metric),
        str(apart.images),
        f"{row.system} {apart.system:.{places}f}",
        f"{row.reference} {apart.reference:.{places}f}",
        f"{apart.estimate:+.{places}f}",
        interval(row),
        "-" if row.p_holm is None else _p(row.p_holm),
        f"{apart.effect:+.2f}",
        f"{100 * row.better_on:.0f} %",
        row.verdict,
    ]


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def markdown(comparison: Comparison) -> str:
    """The whole comparison as Markdown."""
    reference, *others = (system.label for system in comparison.systems)
    lines = [f"# {', '.join(others)} against {reference}", "", _systems(comparison), ""]
    lines += [f"- **Note**: {warning}." for warning in comparison.warnings] + ([""] if comparison.warnings else [])
    for condition in comparison.settings.conditions:
        rows = [row for row in comparison.rows if row.condition == condition]
        if rows:
            lines += [f"## {condition}", "", markdown_table(COLUMNS, map(_cells, rows)), ""]
            lines += _breakdown([row for row in comparison.breakdown if row.condition == condition])
    return "\n".join([*lines, LEGEND, ""])


LEGEND = (
    "Difference: system minus reference, mean over photographs and trainings. Interval: bootstrap over seeds and "
    "photographs (a photograph's degradation draws move with it). *Tie*: zero lies inside. p: permutation test, "
    "corrected for the number of rows (Holm). d_z: mean difference of a photograph over its standard deviation. Better "
    "on: photographs on which the system is better, equal ones counted half. Intervals by kind of photograph are not "
    "corrected for their number: of twenty, one excludes zero by chance."
)


def _systems(comparison: Comparison) -> str:
    def cells(system: System) -> list[str]:
        if not system.learnt:
            return [system.label, *"-" * 7]
        runs = system.runs
        steps = sorted({str(run.meta.get("step", "-")) for run in runs})
        seeds = [str(seed) for run in runs if (seed := run.meta.get("seed")) is not None]
        training, inference = ([run.meta.get(key, {}) for run in runs] for key in ("compute", "inference"))
        return [
            system.label,
            str(len(runs)),
            ", ".join(seeds) or "-",
            ", ".join(steps),
            _mean(training, "multiply_adds", 1e15, 2),
            _mean(training, "seconds", 60, 0),
            _mean(inference, "multiply_adds", 1e9, 1),
            _mean(inference, "parameters", 1e6, 2),
        ]

    rows = map(cells, comparison.systems)
    costs = ("training / P multiply-adds", "training / min", "an answer / G multiply-adds", "parameters / M")
    return markdown_table(("system", "trainings", "seeds", "steps", *costs), rows)


def _mean(facts: Sequence[Mapping[str, Any]], key: str, unit: float, places: int) -> str:
    """A cost in a unit, mean over trainings; "-" unless all of them tell it."""
    values = [fact.get(key) for fact in facts]
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known) / unit:.{places}f}" if known and len(known) == len(values) else "-"


def _breakdown(rows: Sequence[Row]) -> list[str]:
    lines: list[str] = []
    for by in dict.fromkeys(row.by for row in rows):
        some = [row for row in rows if row.by == by]
        columns = (by, *COLUMNS[1:6], *COLUMNS[7:])
        cells = ((row.stratum, *_cells(row)[1:6], *_cells(row)[7:]) for row in some)
        lines += [f"### {title(some[0].metric)} by {by}", "", markdown_table(columns, cells), ""]
    return lines


LATEX_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def latex(comparison: Comparison) -> str:
    """The rows over all photographs as a LaTeX table (booktabs)."""
    lines = [r"\begin{tabular}{llrrrrl}", r"\toprule"]
    lines += [r"input & metric & reference & system & difference & 95\,\% interval & verdict \\", r"\midrule"]
    for row in comparison.rows:
        metric, _, system, reference, apart, ends, *_, verdict = (cell.translate(LATEX_SPECIAL) for cell in _cells(row))
        lines.append(
            f"{row.condition} & {metric} & {reference} & {system} & ${apart}$ & {_math(ends)} & {verdict} \\\\"
        )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _math(ends: str) -> str:
    return " to ".join(f"${end}$" for end in ends.split(" to "))


def records(comparison: Comparison) -> list[dict[str, Any]]:
    """Every row, also those of the breakdown, as flat dicts with all figures; None for what there is not."""

    def figures(row: Row) -> dict[str, Any]:
        values = {**asdict(row.difference), "better_on": row.better_on}
        del values["higher"]
        return {key: None if value is None or math.isnan(value) else value for key, value in values.items()}

    return [
        {
            "condition": row.condition,
            "metric": row.metric,
            "by": row.by,
            "stratum": row.stratum,
            "system_label": row.system,
            "reference_label": row.reference,
            **figures(row),
            "p_holm": row.p_holm,
            "verdict": row.verdict,
        }
        for row in (*comparison.rows, *comparison.breakdown)
    ]


def content(comparison: Comparison) -> dict[str, Any]:
    """The comparison for machines: systems with folders and protocol, settings, rows, notes."""
    first = comparison.systems[0].runs[0]
    return {
        "systems": {system.label: system.source for system in comparison.systems},
        "protocol": first.meta["protocol"],
        "settings": {key: value for key, value in asdict(comparison.settings).items() if key != "groups"},
        "rows": records(comparison),
        "notes": list(comparison.warnings),
    }
