"""Who may ask the page for what: no file of the disk, no other page's requests, no more than there is room for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from engine.serve.uploads import MOST_SENT, MOST_WAITING, Uploads, limited

Scope = MutableMapping[str, Any]
Channel = Callable[..., Awaitable[Any]]
READING = ("GET", "HEAD", "OPTIONS")
CLOSED = ("file", "proxy", "stream", "monitoring", "deep_link", "openapi")  # of gradio's, which the page does not use
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Guard:
    """Before the page: no file of the disk, no other name of this computer, no other place to fetch or be sent from.

    Args:
        app: what is guarded (ASGI).
        names: by which the server may be called, None: any.
        uploads: where they wait.
    """

    def __init__(self, app: Channel, names: tuple[str, ...] | None, uploads: Uploads) -> None:
        self.app, self.names, self.uploads = app, names, uploads

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            status, words = refusal
            start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
            await send(start)
            await send({"type": "http.response.body", "body": words.encode()})
            return

        async def protected(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() not in HEADERS]
                message["headers"] = [*kept, *HEADERS.items()]
            await send(message)

        if not _uploads(scope):
            await self.app(scope, receive, protected)
            return
        self.uploads.arriving += 1
        try:
            await self.app(scope, limited(receive), protected)
        finally:
            self.uploads.arriving -= 1

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, str] | None:
        """Status and words for a request that is not passed on, None for one that is."""
        if _place(scope).startswith(CLOSED) or not self._by_its_name(headers.get(b"host", "")):
            return 404, "not here\n"
        if scope["method"] not in READING and _foreign(headers):
            return 403, "sent by another page\n"
        if not _uploads(scope):
            return None
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > MOST_SENT:
            return 413, f"an upload may have up to {MOST_SENT} bytes in all\n"
        if self.uploads.full():
            return 503, f"{MOST_WAITING} files wait to be read; try again in a minute\n"
        return None

    def _by_its_name(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return self.names is None or name.strip("[]").lower() in self.names


def _place(scope: Scope) -> str:
    place: str = scope["path"].strip("/").removeprefix("gradio_api/").lstrip("/")
    return place


def _uploads(scope: Scope) -> bool:
    return scope["method"] not in READING and _place(scope).startswith("upload")


def _foreign(headers: dict[bytes, str]) -> bool:
    """Whether a browser says that the request comes from a page of another server, or of another port of this one."""
    if headers.get(b"sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get(b"origin")  # other programs than browsers name none
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get(b"host", "").lower()
