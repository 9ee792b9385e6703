"""The page: what is on it, and what happens when something on it is used."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from contracts.errors import UserError
from data.images import IMAGE_SUFFIXES
from engine.serve import markup
from engine.serve.finder import Finder
from engine.serve.found import HIGHEST, LOWEST, Found
from engine.serve.kept import Kept
from engine.serve.received import Received, drawn, receive
from engine.serve.scale_input import PER_PIXEL, REFERENCE, UNKNOWN, WAYS, scale_of
from engine.serve.uploads import PATIENCE
from metrics.scale import Scale

RESTORE = (("when cracks are thin", "auto"), ("always", "always"), ("never", "never"))
GONE = "This photograph is no longer in memory. Choose it again."
HEAD = (
    "<h1>Cracks in a photograph</h1><p>Outlined, counted and measured. "
    "The photograph goes to the computer that runs this page, and nowhere else.</p>"
)
TO_ANSWER = """() => { const a = document.querySelector('#cs-answer');
  if (a.getBoundingClientRect().top > innerHeight / 2) a.scrollIntoView({behavior: 'smooth'}) }"""
POINTS = "In the photograph, from its upper left corner. Pointing at the picture shows x,y."


class Desk:
    """What the page does: everything behind its buttons.

    Args:
        finder: the weights.
        photographs: received, by their names.
        results: found, by their names.
    """

    def __init__(self, finder: Finder, photographs: Kept[Received], results: Kept[Found]) -> None:
        self.finder, self.photographs, self.results = finder, photographs, results

    def received(self, file: str | None) -> list[Any]:
        """A file was chosen: read it, and keep no copy of it."""
        if file is None:
            return self._waiting(None, markup.welcome())
        path = Path(file)
        try:
            one = receive(path)
        finally:
            path.unlink(missing_ok=True)
        return self._waiting(one, markup.ready(one))

    def example(self) -> list[Any]:
        """A drawn photograph in place of a file."""
        one = drawn()
        return [*self._waiting(one, markup.ready(one)), None]

    def _waiting(self, one: Received | None, words: str) -> list[Any]:
        """A photograph, or none, that has not been looked at."""
        name = None if one is None else self.photographs.add(one)
        picture = "" if one is None else markup.preview(one)
        return [name, None, words, picture, gr.update(visible=False), "", "", gr.update(interactive=one is not None)]

    def looking(self, name: str | None) -> str:
        """The button was pressed."""
        return markup.looking(self.photographs.get(name))

    def search(self, name: str | None, restore: str, threshold: float, *scale: Any) -> list[Any]:
        """Look for cracks in a photograph, and show what was found."""
        one = self.photographs.get(name)
        if one is None:
            raise UserError(GONE)
        result = self.results.add(self.finder.find(one, restore, threshold))
        return [result, *self.show(result, threshold, *scale), gr.update(visible=True)]

    def show(self, name: str | None, threshold: float, *scale: Any) -> list[Any]:
        """What was found, at a threshold: answer, picture, table, downloads."""
        if name is None:
            return [gr.skip()] * 4
        found = self.results.get(name)
        if found is None:
            raise UserError(GONE)
        shown, trouble, known = found.at(threshold), "", None
        try:
            known = scale_of(found.received.size, *scale)
        except UserError as error:
            trouble = str(error)
        links = {"Report (PDF)": _link(name, "report.pdf", threshold, known)}
        if not shown.note:
            links["Table (CSV)"] = _link(name, "cracks.csv", threshold, known)
        return [
            markup.answer(found, shown, known, trouble),
            markup.comparison(found, shown),
            markup.table(shown, known),
            markup.downloads(links),
        ]


def _link(name: str, file: str, threshold: float, scale: Scale | None) -> str:
    """Where ``engine.serve.server`` makes a file of a result."""
    known = {} if scale is None else {"mm": scale.mm_per_pixel, "relative": scale.relative, "origin": scale.origin}
    return f"download/{name}/{file}?" + urlencode({"threshold": threshold, **known})


def guarded(act: Callable[..., list[Any]], count: int, at: int) -> Callable[..., list[Any]]:
    """The same, but what goes wrong is told on the page.

    Args:
        act: returns what ``count`` parts of the page are to show.
        count: of them.
        at: which of them shows the words.
    """

    def safe(*arguments: Any) -> list[Any]:
        try:
            return act(*arguments)
        except UserError as error:
            words = markup.refused(str(error))
        except MemoryError:
            words = markup.refused("Not enough memory for this photograph. Choose 'never', or a smaller one.")
        except Exception:  # whatever it is, the page goes on; what to repair stands on the terminal
            traceback.print_exc(file=sys.stderr)
            words = markup.refused("An error of this program; the terminal that serves the page tells more.")
        return [words if place == at else gr.skip() for place in range(count)]

    return safe


def build(desk: Desk, threshold: float = 0.5) -> gr.Blocks:
    """The page.

    Args:
        desk: what it does.
        threshold: that it starts with.
    """
    private: dict[str, Any] = {"api_visibility": "private"}
    network: dict[str, Any] = {**private, "concurrency_limit": 1, "concurrency_id": "network"}
    with gr.Blocks(title="Cracks in a photograph", analytics_enabled=False, delete_cache=(PATIENCE, PATIENCE)) as page:
        photograph, result = gr.State(None), gr.State(None)
        gr.HTML(HEAD, elem_id="cs-head")
        with gr.Row(elem_id="cs-body"):
            with gr.Column(elem_id="cs-controls"):
                file = gr.File(
                    label="Photograph",
                    file_types=list(IMAGE_SUFFIXES),
                    elem_id="cs-photo",
                    height=150,
                    show_label=False,
                )
                example = gr.Button("or try a drawn one", elem_id="cs-example")
                restore = gr.Radio(list(RESTORE), value="auto", label="Restore it first, 4 times larger")
                scale = _scale_fields()
                find = gr.Button("Find cracks", variant="primary", elem_id="cs-find", interactive=False)
            with gr.Column(elem_id="cs-result"):
                answer, picture = gr.HTML(markup.welcome(), elem_id="cs-answer"), gr.HTML("", elem_id="cs-view")
                level = gr.Slider(
                    LOWEST, HIGHEST, threshold, step=0.01,
                    label="Threshold: lower shows fainter cracks, and more mistakes",
                    elem_id="cs-threshold", visible=False, buttons=[],
                )  # fmt: skip
                table, files = gr.HTML("", elem_id="cs-rows"), gr.HTML("", elem_id="cs-files")
        waiting = [photograph, result, answer, picture, level, table, files, find]
        for event in (file.upload, file.clear):  # not change, which setting it for the drawn one would fire
            event(guarded(desk.received, 8, 2), [file], waiting, show_progress_on=answer, **private)
        example.click(guarded(desk.example, 9, 2), None, [*waiting, file], show_progress_on=answer, **private)
        shown = [answer, picture, table, files]
        find.click(desk.looking, [photograph], [answer], queue=False, show_progress="hidden", **private).then(
            None, js=TO_ANSWER, **private
        ).then(
            guarded(desk.search, 6, 1), [photograph, restore, level, *scale], [result, *shown, level],
            show_progress="hidden", **network,
        )  # fmt: skip
        for one in (level, *scale):
            one.change(
                guarded(desk.show, 4, 0), [result, level, *scale], shown, trigger_mode="always_last",
                show_progress="hidden", **private,
            )  # fmt: skip
    return page


def _scale_fields() -> list[Any]:
    """The way to tell the scale, and the fields of each way."""
    way = gr.Radio(list(WAYS), value=UNKNOWN, label="Scale")
    with gr.Column(visible=False) as plain:
        per_pixel = gr.Number(None, label="Millimetres per pixel", elem_id="cs-mm")
    with gr.Column(visible=False) as reference:
        length = gr.Number(None, label="Length between A and B, mm", elem_id="cs-length")
        first = gr.Textbox("", label="Point A: x,y", elem_id="cs-a", max_lines=1)
        second = gr.Textbox("", label="Point B: x,y", elem_id="cs-b", max_lines=1)
        gr.HTML(f'<p class="cs-help">{POINTS}</p>')
    way.change(
        lambda chosen: [gr.update(visible=chosen == PER_PIXEL), gr.update(visible=chosen == REFERENCE)],
        [way], [plain, reference], api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    return [way, per_pixel, length, first, second]
