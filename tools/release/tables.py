"""The Markdown tables of a release: what docs/results.md and the model card show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metrics import names
from tools.release.strangers import MARGIN, WAYS

COLUMNS = (names.DICE, names.IOU, names.PRECISION, names.RECALL, names.CLIOU, names.IOU_MAX, names.AIU, names.PSNR)
RATIOS = (names.IOU, names.DICE, names.CLIOU, names.IOU_MAX)
Content = Mapping[str, Any]  # of results.json, or a part of it


def cell(figure: Mapping[str, Any] | None, digits: int = 3, images: int | None = None) -> str:
    """A mean with its interval, "0.703 (0.690 to 0.715)"; "-" where there is none.

    images: of the set; that a figure applies to fewer of them is told.
    """
    if figure is None or figure["mean"] is None:
        return "-"
    bounds = [f"{figure[key]:.{digits}f}" for key in ("low", "high") if figure[key] is not None]
    fewer = f" of {figure['images']}" if images is not None and figure["images"] < images else ""
    return f"{figure['mean']:.{digits}f}" + (f" ({' to '.join(bounds)})" if bounds else "") + fewer


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table of text cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def systems_of(content: Content) -> Iterator[tuple[str, Content]]:
    """The weights that all is about, then what they are compared with: names and parts of the content."""
    yield "model", content
    yield from content.get("against", {}).items()


def scores(content: Content, chosen: str) -> str:
    """One set: a row for each system and condition."""
    rows, images = [], 0
    for system, part in systems_of(content):
        for condition, figures in part.get("sets", {}).get(chosen, {}).items():
            images = figures[names.DICE]["images"]
            cells = (cell(figures.get(key), names.METRICS[key].digits, images) for key in COLUMNS)
            rows.append([f"{system}, {condition}", *cells])
    head = [f"{chosen}, {images} photographs", *(names.METRICS[key].heading for key in COLUMNS)]
    return markdown(head, rows)


def ratios(content: Content) -> str:
    """What degradation leaves of the figures on sharp photographs: a row for each set, system and condition."""
    rows = [
        [chosen, system, f"{condition} / hr", *(cell(figures.get(key)) for key in RATIOS)]
        for system, part in systems_of(content)
        for chosen, conditions in part.get("ratios", {}).items()
        for condition, figures in conditions.items()
    ]
    return markdown(["set", "system", "ratio", *(names.METRICS[key].heading for key in RATIOS)], rows)


def differences(content: Content) -> str:
    """How far the model is above each other system on the same photographs."""
    rows = [
        [chosen, f"model - {system}", condition, *(cell(figures.get(key)) for key in RATIOS)]
        for system, part in content.get("against", {}).items()
        for chosen, conditions in part.get("differences", {}).items()
        for condition, figures in conditions.items()
    ]
    return markdown(["set", "difference", "input", *(names.METRICS[key].heading for key in RATIOS)], rows)


def restore(content: Content) -> str:
    """The rule of ``--restore auto``: IoU of each way, and where auto stays behind."""
    rows = []
    for chosen, inputs in content.get("restore", {}).items():
        for name, found in inputs.items():
            behind = f"{found['short']:+.3f}" + ("" if found["kept"] else f" **over {MARGIN}**")
            ways = [cell(found[way]) for way in WAYS]
            rows.append([chosen, name, str(found["auto"]["images"]), *ways, f"{found['restored']:.0%}", behind])
    head = ["set", "input", "photographs", *WAYS, "auto restores", "better of the two - auto"]
    return markdown(head, rows)


def false_alarms(content: Content) -> str:
    """Photographs without a crack: shares with a region, and regions per megapixel, by the least area of a region."""
    found, rows, head = content.get("false_alarms", {}), [], []
    for system, ways in found.get("systems", {}).items():
        for way, areas in ways.items():
            shares = [cell(one["photographs"]) for one in areas.values()]
            per_megapixel = [cell(one["regions_per_megapixel"], 2) for one in areas.values()]
            rows.append([system, way, *shares, *per_megapixel])
            head = [f"share with a region of {area}+ px" for area in areas]
            head += [f"regions of {area}+ px per megapixel" for area in areas]
    return markdown([f"{found.get('images', 0)} crack-free photographs", "restore", *head], rows)


def document(content: Content) -> str:
    """All tables there are figures for, with what they were made of."""
    about = f"`{content['weights']}` (step {content['step']}), measured at commit {content['commit']}"
    parts = [
        "# Results",
        (
            f'{about}. Intervals: 95%, over photographs; "of N": a precision applies to the N '
            "photographs in which anything is found."
        ),
    ]
    counted = content["settings"]["count"]
    if counted is not None:
        parts.append(f"**A quick look**: at most {counted} photographs of each set.")
    sections = [(f"## {chosen}", scores(content, chosen)) for chosen in content["sets"]]
    for heading, key, make in (
        ("## Sharp and degraded", "ratios", ratios),
        ("## Compared", "against", differences),
        ("## `--restore`", "restore", restore),
        ("## False alarms", "false_alarms", false_alarms),
    ):
        if content.get(key) and (content["sets"] or key not in ("ratios", "against")):
            sections.append((heading, make(content)))
    return "\n\n".join([*parts, *(text for section in sections for text in section)]) + "\n"
