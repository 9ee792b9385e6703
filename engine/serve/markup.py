"""The parts of the page as HTML; what comes from users is escaped."""

from __future__ import annotations

from html import escape

from engine.serve.found import Found, Shown
from engine.serve.pictures import as_url, marked, photograph
from engine.serve.received import MOST_BYTES, MOST_MEGAPIXELS, Received
from engine.serve.words import COLUMNS, LIMITS, facts, headline, rows, scale_words, unit
from metrics.scale import Scale

IN_TABLE = 12  # cracks; the rest is in the CSV file
WELCOME = (
    "Choose a photograph of pavement, concrete or a wall. The page outlines its cracks and, if you tell it the scale, "
    "says how long and how wide they are."
)


def _answer(title: str, lines: tuple[str, ...], kind: str = "", name: str = "") -> str:
    above = f'<p class="cs-name">{escape(name)}</p>' if name else ""
    below = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<div class="cs-answer {kind}" role="status">{above}<h2>{escape(title)}</h2>{below}</div>'


def welcome() -> str:
    """Before there is a photograph."""
    limits = f"Images up to {MOST_BYTES // 2**20} MB and {MOST_MEGAPIXELS} megapixels."
    return _answer("Nothing looked at yet", (WELCOME, limits), "cs-quiet")


def ready(received: Received) -> str:
    """A photograph that has not been looked at."""
    height, width = received.size
    lines = (f"{width} x {height} px", *received.photo.notes, "Press 'Find cracks'.")
    return _answer("Ready to look", (" · ".join(lines),), "cs-quiet", received.name)


def refused(message: str, title: str = "That did not work") -> str:
    """What went wrong, in place of an answer."""
    return _answer(title, (message,), "cs-refused")


def answer(found: Found, shown: Shown, scale: Scale | None, trouble: str = "") -> str:
    """What was found.

    Args:
        found: the photograph.
        shown: cracks at a threshold.
        scale: None: not known.
        trouble: with what was typed as the scale.
    """
    lines = [" · ".join(facts(found, shown))]
    if shown.note:
        lines.append(shown.note)
    if not shown.cracks and shown.fraction == 0:
        lines.append(f"None reaches the threshold of {shown.threshold:.2f}; a lower one shows fainter ones.")
    if trouble:
        lines.append(f"Without a scale: {trouble}")
    return _answer(headline(shown, scale), tuple(lines), "", found.received.name)


def looking(received: Received | None) -> str:
    """While the network works."""
    if received is None:
        return refused("Choose a photograph first.")
    words = _answer("Looking for cracks", (), "cs-quiet", received.name)
    return words.removesuffix("</div>") + '<div class="cs-bar" aria-hidden="true"></div></div>'


def preview(received: Received) -> str:
    """The photograph alone."""
    url = as_url(photograph(received.photo.pixels))
    return (
        f'{_figure(received.size)}<div class="cs-stage" onpointermove="{_coordinates(received.size)}">'
        f'<img src="{url}" alt="The photograph"></div><figcaption><span></span><output></output></figcaption></figure>'
    )


def _coordinates(size: tuple[int, int]) -> str:
    """What shows the place of the pointer in pixels of the photograph, as the value of an attribute."""
    height, width = size
    return escape(
        "const b = this.getBoundingClientRect(), f = this.closest('figure');"
        f"const x = Math.round((event.clientX - b.left) / b.width * {width}),"
        f" y = Math.round((event.clientY - b.top) / b.height * {height});"
        "f.querySelector('output').textContent = `x,y = ${x},${y}`"
    )


def _figure(size: tuple[int, int]) -> str:
    """The beginning of a picture, which is to fit the window."""
    return f'<figure class="cs-picture" style="--ratio: {size[1] / size[0]:.4f}">'


def comparison(found: Found, shown: Shown) -> str:
    """The photograph and what was found in it, one over the other, with a handle between them.

    The handle's place is kept outside, so that it stays when another threshold changes the picture.
    """
    size = found.received.size
    before, after = as_url(photograph(found.received.photo.pixels)), as_url(marked(found, shown))
    what = "restored, marked" if found.prediction.restored is not None else "cracks marked"
    moved = "document.documentElement.style.setProperty('--cs-cut', this.value + '%')"
    again = (
        "const cut = parseFloat(document.documentElement.style.getPropertyValue('--cs-cut'));"
        " if (cut >= 0) this.parentElement.querySelector('input').value = cut"
    )
    return (
        f'{_figure(size)}<div class="cs-stage" onpointermove="{_coordinates(size)}">'
        f'<img src="{after}" alt="The photograph with its cracks outlined and numbered">'
        f'<img class="cs-before" src="{before}" alt="The photograph as it is" onload="{escape(again)}">'
        '<span class="cs-line" aria-hidden="true"></span>'
        f'<span class="cs-chip cs-left">as it is</span><span class="cs-chip cs-right">{what}</span>'
        f'<input type="range" min="0" max="100" value="50" aria-label="Photograph or cracks" oninput="{escape(moved)}">'
        "</div><figcaption><span>Drag across the picture to compare.</span><output></output></figcaption></figure>"
    )


def table(shown: Shown, scale: Scale | None) -> str:
    """Lengths and widths of the longest cracks; nothing where none was measured."""
    if not shown.measured:
        return ""
    name = unit(scale)
    units = (name, name, name, "")
    heads = "".join(
        f'<th scope="col">{column}{f"<small>{one}</small>" if one else ""}</th>'
        for column, one in zip(COLUMNS, units, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{number}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for number, *cells in rows(shown.measured[:IN_TABLE], scale)
    )
    more = len(shown.measured) - IN_TABLE
    rest = f"{more} shorter one{'s' if more > 1 else ''} in the CSV file. " if more > 0 else ""
    note = escape(f"{rest}Scale: {scale_words(scale)}.")
    direction = '<span class="cs-direction"> Direction: 0° lies, 90° stands.</span>'
    return (
        f'<div class="cs-table"><table><thead><tr><th scope="col"><span class="cs-hidden">number</span></th>{heads}'
        f"</tr></thead><tbody>{body}</tbody></table><p>{note}{direction}</p></div>"
    )


def downloads(links: dict[str, str]) -> str:
    """Links to files, address by label, and what has to be known of the figures."""
    buttons = "".join(f'<a class="cs-button" href="{escape(url)}" download>{label}</a>' for label, url in links.items())
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS)
    return (
        f'<div class="cs-downloads">{buttons}</div>'
        f'<details class="cs-limits"><summary>What these figures mean, and what they do not</summary><ul>{limits}</ul>'
        "</details>"
    )
