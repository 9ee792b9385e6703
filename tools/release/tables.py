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

    Args:
        figure: mean, low, high and images.
        digits: after the point.
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


def scores(content: Content, set_name: str) -> str:
    """One set: a row for each system and condition."""
    rows, images = [], 0
    for system, section in systems_of(content):
        for condition, figures in section.get("sets", {}).get(set_name, {}).items():
            images = figures[names.DICE]["images"]
            cells = (cell(figures.get(key), names.METRICS[key].digits, images) for key in COLUMNS)
            rows.append([f"{system}, {condition}", *cells])
    head = [f"{set_name}, {images} photographs", *(names.METRICS[key].heading for key in COLUMNS)]
    return markdown(head, rows)


def ratios(content: Content) -> str:
    """What degradation leaves of the figures on sharp photographs: a row for each set, system and condition."""
    rows = [
        [set_name, system, f"{condition} / hr", *(cell(figures.get(key)) for key in RATIOS)]
        for system, section in systems_of(content)
        for set_name, conditions in section.get("ratios", {}).items()
        for condition, figures in conditions.items()
    ]
    return markdown(["set", "system", "ratio", *(names.METRICS[key].heading for key in RATIOS)], rows)


def differences(content: Content) -> str:
    """How far the model is above each other system on the same photographs."""
    rows = [
        [set_name, f"model - {system}", condition, *(cell(figures.get(key)) for key in RATIOS)]
        for system, section in content.get("against", {}).items()
        for set_name, conditions in section.get("differences", {}).items()
        for condition, figures in conditions.items()
    ]
    return markdown(["set", "difference", "input", *(names.METRICS[key].heading for key in RATIOS)], rows)


def restore(content: Content) -> str:
    """The rule of ``--restore auto``: IoU of each way, and where auto stays behind."""
    rows = []
    for set_name, inputs in content.get("restore", {}).items():
        for name, result in inputs.items():
            behind = f"{result['short']:+.3f}" + ("" if result["kept"] else f" **over {MARGIN}**")
            ways = [cell(result[way]) for way in WAYS]
            rows.append([set_name, name, str(result["auto"]["images"]), *ways, f"{result['restored']:.0%}", behind])
    head = ["set", "input", "photographs", *WAYS, "auto restores", "better of the two - auto"]
    return markdown(head, rows)


def false_alarms(content: Content) -> str:
    """Photographs without a crack: shares with a region, and regions per megapixel, by the least area of a region."""
    alarms, rows, head = content.get("false_alarms", {}), [], []
    for system, ways in alarms.get("systems", {}).items():
        for way, areas in ways.items():
            shares = [cell(figures["photographs"]) for figures in areas.values()]
            per_megapixel = [cell(figures["regions_per_megapixel"], 2) for figures in areas.values()]
            rows.append([system, way, *shares, *per_megapixel])
            head = [f"share with a region of {area}+ px" for area in areas]
            head += [f"regions of {area}+ px per megapixel" for area in areas]
    return markdown([f"{alarms.get('images', 0)} crack-free photographs", "restore", *head], rows)


def document(content: Content) -> str:
    """All tables there are figures for, with what they were made of."""
    about = f"`{content['weights']}` (step {content['step']}), measured at commit {content['commit']}"
    paragraphs = [
        "# Results",
        (
            f'{about}. Intervals: 95%, over photographs; "of N": a precision applies to the N '
            "photographs in which anything is found."
        ),
    ]
    count = content["settings"]["count"]
    if count is not None:
        paragraphs.append(f"**A quick look**: at most {count} photographs of each set.")
    sections = [(f"## {set_name}", scores(content, set_name)) for set_name in content["sets"]]
    for heading, key, make in (
        ("## Sharp and degraded", "ratios", ratios),
        ("## Compared", "against", differences),
        ("## `--restore`", "restore", restore),
        ("## False alarms", "false_alarms", false_alarms),
    ):
        if content.get(key) and (content["sets"] or key not in ("ratios", "against")):
            sections.append((heading, make(content)))
    return "\n\n".join([*paragraphs, *(text for section in sections for text in section)]) + "\n"
