"""What was found as files to keep: a table (CSV), and a report on A4 (PDF), both made in memory."""

from __future__ import annotations

import io
import textwrap
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.cells import table_text
from engine.serve.found import Found, Shown
from engine.serve.pictures import IN_REPORT, marked
from engine.serve.words import COLUMNS, JOINED, LIMITS, facts, headline, rows, scale_words, unit
from metrics.crack_rows import rows_of
from metrics.scale import Scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Page

A4 = (8.27, 11.69)  # inches
LEFT, RIGHT = 0.09, 0.91  # of the width
LINE = 0.0165  # of the height
TYPEFACE = "DejaVu Sans"  # comes with matplotlib
INK, QUIET, RULE = "#1c1b19", "#6b6862", "#d9d5cc"
FIRST_PAGE, FURTHER_PAGE = 12, 46  # cracks
WIDEST_LINE = 104  # characters
TALLEST = 0.46  # of the height, of the picture


def as_csv(found: Found, shown: Shown, scale: Scale | None) -> str:
    """A row for each crack, as ``metrics.crack_rows`` has it, in pixels of the photograph; why some have no figures.

    Args:
        found: the photograph.
        shown: cracks at a threshold.
        scale: with it there are columns in mm.
    """
    table = list(rows_of(found.received.name, shown.cracks, scale))
    return table_text(table) if table else "image,crack\r\n"


def as_pdf(found: Found, shown: Shown, scale: Scale | None, weights: str, made: datetime | None = None) -> bytes:
    """The photograph with its cracks, the table, and how all of it came about.

    Args:
        found: the photograph.
        shown: cracks at a threshold.
        scale: None: not known.
        weights: what found them, a line.
        made: when; None: now.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    made = datetime.now().astimezone() if made is None else made
    title = headline(shown, scale)
    content = io.BytesIO()
    facts_of_file = {"Title": f"{found.received.name}: {title}".replace(JOINED, " "), "CreationDate": made}
    with (
        mpl.rc_context({"pdf.fonttype": 42, "font.family": TYPEFACE}),
        PdfPages(content, metadata=facts_of_file) as pdf,
    ):
        for page in _pages(found, shown, scale, weights, made):
            pdf.savefig(page)
    return content.getvalue()


def _pages(found: Found, shown: Shown, scale: Scale | None, weights: str, made: datetime) -> list[Page]:
    cells = list(rows(shown.measured, scale))
    first, place = _new_page()
    place = _text(first, place, found.received.name, size=9, colour=QUIET)
    place = _text(first, place - 0.008, headline(shown, scale), size=17, weight="bold", widest=52)
    place = _picture(first, place - 0.004, marked(found, shown, IN_REPORT))
    place = _table(first, place - 0.024, cells[:FIRST_PAGE], unit(scale)) if cells else place - 0.02
    _notes(first, 0.06, _told(found, shown, scale, weights, made))
    pages, rest = [first], cells[FIRST_PAGE:]
    while rest:
        page, place = _new_page()
        place = _text(page, place, f"{found.received.name}, further cracks", size=9, colour=QUIET)
        _table(page, place - 0.02, rest[:FURTHER_PAGE], unit(scale))
        pages.append(page)
        rest = rest[FURTHER_PAGE:]
    for number, page in enumerate(pages, 1):
        page.text(RIGHT, 0.03, f"{number} of {len(pages)}", size=7, color=QUIET, ha="right")
    return pages


def _told(found: Found, shown: Shown, scale: Scale | None, weights: str, made: datetime) -> list[tuple[str, str]]:
    """How it came about, (name, text)."""
    note = [("Not measured", shown.note)] if shown.note else []
    computed = "; ".join((found.prediction.precision, *found.prediction.notes))
    return [
        ("Photograph", " · ".join(facts(found, shown))),
        ("Scale", scale_words(scale)),
        (
            "Options",
            f"threshold {shown.threshold:.2f}; regions below {found.minimum_area} segmented px left out; {computed}",
        ),
        ("Weights", weights),
        ("Made", f"{made:%Y-%m-%d %H:%M %Z}"),
        *note,
        ("Limits", " ".join(LIMITS)),
    ]


def _new_page() -> tuple[Page, float]:
    """An empty page and the height at which it begins."""
    from matplotlib.figure import Figure

    return Figure(figsize=A4, facecolor="white"), 0.945


def _text(
    page: Page,
    place: float,
    text: str,
    size: float,
    colour: str = INK,
    weight: str = "normal",
    widest: int = WIDEST_LINE,
) -> float:
    """Write a text from ``place`` downwards; return where it ends."""
    for line in textwrap.wrap(_drawable(text), widest) or [""]:
        page.text(LEFT, place, line, size=size, color=colour, weight=weight, va="top", parse_math=False)
        place -= size / 72 * 1.35 / A4[1]
    return place


def _drawable(text: str) -> str:
    """A text with U+FFFD, a question mark in a diamond, for what the typeface lacks, as names may hold any letters."""
    from matplotlib.font_manager import findfont, get_font

    typeface = get_font(findfont(TYPEFACE))
    return "".join(letter if typeface.get_char_index(ord(letter)) else "\ufffd" for letter in text)


def _picture(page: Page, place: float, image: object) -> float:
    """The picture below ``place``, as wide as the text or as high as there is room; return where it ends."""
    height, width = image.shape[:2]  # type: ignore[attr-defined]
    across = RIGHT - LEFT
    down = across * A4[0] / A4[1] * height / width
    if down > TALLEST:
        across, down = across * TALLEST / down, TALLEST
    axes = page.add_axes((LEFT, place - down, across, down))
    axes.imshow(image, interpolation="lanczos", aspect="auto")  # type: ignore[arg-type]
    axes.set_axis_off()
    return place - down


def _table(page: Page, place: float, cells: list[tuple[str, ...]], name: str) -> float:
    """Rows below ``place``; return where they end."""
    across = [LEFT + 0.02, *(LEFT + 0.02 + share * (RIGHT - LEFT) for share in (0.27, 0.49, 0.72, 0.96))]
    heads = ["", *(f"{column} / {name}" if column != COLUMNS[-1] else column for column in COLUMNS)]
    for line, entries in enumerate([tuple(heads), *cells]):
        height = place - line * LINE
        for x, text in zip(across, entries, strict=True):
            colour = QUIET if line == 0 else INK
            page.text(x, height, text, size=8, color=colour, ha="right", va="center", parse_math=False)
        _rule(page, height - LINE / 2)
    return place - len(cells) * LINE


def _rule(page: Page, height: float) -> None:
    from matplotlib.lines import Line2D

    page.add_artist(Line2D((LEFT, RIGHT), (height, height), color=RULE, linewidth=0.5, transform=page.transFigure))


def _notes(page: Page, bottom: float, notes: list[tuple[str, str]]) -> None:
    """Names and texts, the last line of which ends at ``bottom``."""
    size = 7.5
    step = size / 72 * 1.4 / A4[1]
    lines = [
        (name if first else "", line)
        for name, text in notes
        for first, line in _first(textwrap.wrap(_drawable(text), 106))
    ]
    for place, (name, line) in enumerate(reversed(lines)):
        height = bottom + place * step
        page.text(LEFT, height, name, size=size, color=QUIET, va="bottom")
        page.text(LEFT + 0.115, height, line, size=size, color=INK, va="bottom", parse_math=False)


def _first(lines: list[str]) -> list[tuple[bool, str]]:
    return [(number == 0, line) for number, line in enumerate(lines or [""])]
