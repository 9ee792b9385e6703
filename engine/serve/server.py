"""Serves the page, and the files that are made of a result."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from engine.predict.plan import Settings
from engine.predict.source import find_source
from engine.serve.finder import Finder
from engine.serve.found import HIGHEST, LOWEST, Found
from engine.serve.guard import Channel, Guard
from engine.serve.kept import Kept
from engine.serve.received import MOST_BYTES, Received
from engine.serve.report import as_csv, as_pdf
from engine.serve.style import CSS
from engine.serve.uploads import Uploads
from metrics.scale import Scale

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PHOTOGRAPHS, RESULTS = 6, 3  # kept in memory


def application(finder: Finder, host: str, port: int, uploads: Path, threshold: float = 0.5) -> Channel:
    """The page as an application (ASGI).

    Args:
        finder: the weights.
        host: that it will listen at.
        port: likewise.
        uploads: a folder, for nothing else, that photographs are in until they are read.
        threshold: that the page starts with.

    Raises:
        UserError: without gradio.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported, which then asks nobody
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    try:
        import gradio as gr
        from fastapi import FastAPI
    except ImportError as error:
        raise UserError(f"--serve needs packages that are missing ({error}); pip install gradio") from None
    from engine.serve.page import Desk, build

    results: Kept[Found] = Kept(RESULTS)
    photographs: Kept[Received] = Kept(PHOTOGRAPHS)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_downloads(app, results, finder)
    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    theme = gr.themes.Base(font=fonts, font_mono=("ui-monospace", "monospace"))
    colours = {"slider_color": "var(--cs-accent)", "block_label_background_fill": "transparent"}
    theme = theme.set(**colours, **{f"{name}_dark": value for name, value in colours.items()})
    page = build(Desk(finder, photographs, results), threshold)
    app = gr.mount_gradio_app(
        app, page, "/", server_name=host, server_port=port, footer_links=[], run_history=False, show_error=False,
        max_file_size=MOST_BYTES, ssr_mode=False, mcp_server=False, theme=theme, css=CSS,
    )  # fmt: skip
    return Guard(app, LOOPBACK if host in LOOPBACK else None, Uploads(uploads))


def _add_downloads(app: Any, results: Kept[Found], finder: Finder) -> None:
    """The addresses of files that are made of a result when they are asked for."""
    from fastapi import Response

    def made(
        name: str, kind: str, threshold: float, mm: float | None = None, relative: float = 0.0, origin: str = ""
    ) -> Response:
        found = results.get(name)
        if found is None or kind not in ("cracks.csv", "report.pdf") or not LOWEST <= threshold <= HIGHEST:
            return Response("no longer in memory; find the cracks again\n", 404, media_type="text/plain")
        try:
            scale = None if mm is None else Scale(mm, relative, origin[:100])
        except UserError:
            return Response("no such scale\n", 400, media_type="text/plain")
        shown, stem = found.at(threshold), _plain(found.received.name)
        if kind == "cracks.csv":
            content, media = as_csv(found, shown, scale).encode("utf-8", "backslashreplace"), "text/csv; charset=utf-8"
        else:
            content, media = as_pdf(found, shown, scale, finder.source.description), "application/pdf"
        disposition = f'attachment; filename="{stem}_{kind}"'
        return Response(content, media_type=media, headers={"Content-Disposition": disposition})

    app.get("/download/{name}/{kind}")(made)


def _plain(name: str) -> str:
    """The stem of a file's name in letters that every system and header takes."""
    stem = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in Path(name).stem
    )
    return stem[:80] or "photograph"


def serve(settings: Settings, opt: str | None, weights: str | None, host: str, port: int) -> None:
    """Serve the page until Ctrl-C.

    Args:
        settings: threshold, tile, overlap, minimum_area, precision and runtime count.
        opt: as for ``engine.build.checkpoint.find_checkpoint``.
        weights: likewise.
        host: to listen at.
        port: likewise.

    Raises:
        UserError: without gradio, for weights that cannot be used, and for an address that is taken or not ours.
    """
    settings.check()
    if not LOWEST <= settings.threshold <= HIGHEST:
        raise UserError(f"--threshold {settings.threshold:g}: the page takes {LOWEST} to {HIGHEST}")
    listening = _listen(host, port)
    source = find_source(opt, weights, settings.precision, runtime=settings.runtime)
    finder = Finder(source, settings.tile, settings.overlap, settings.minimum_area)
    with tempfile.TemporaryDirectory(prefix="cracks_page_") as folder:
        app = application(finder, host, port, Path(folder), settings.threshold)
        _run(app, listening, source.description, host, port)


def _run(app: Channel, listening: Any, description: str, host: str, port: int) -> None:
    """Say where the page is, and serve it."""
    import uvicorn

    print(description)
    if host not in LOOPBACK:
        print(f"warning: at {host} everybody who reaches this computer can use the page; it asks for no password")
    name = f"[{host}]" if ":" in host else host
    print(f"open http://{name}:{port} in a browser; Ctrl-C ends it", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")).run(sockets=[listening])


def _listen(host: str, port: int) -> Any:
    """A socket at an address. Raises UserError where there can be none."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((host, port))
    except (OSError, OverflowError) as error:
        one.close()
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--host {host} --port {port}: cannot listen there ({reason}); give another port") from None
    return one
