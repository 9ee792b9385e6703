"""The arguments of ``predict.py`` for the page in a browser."""

from __future__ import annotations

import argparse

from contracts.errors import UserError

HOST, PORT = "127.0.0.1", 7860


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser, as a group."""
    add = parser.add_argument_group("the page in a browser").add_argument
    add(
        "--serve",
        action="store_true",
        help="serve a page that takes photographs and shows what is found in them, with lengths and widths, instead of "
        "writing files; needs 'pip install gradio', and 'pip install skan' to measure",
    )
    add(
        "--host",
        metavar="ADDRESS",
        help=f"with --serve: address to listen at ({HOST}, this computer alone); 0.0.0.0 lets all of the network in",
    )
    add("--port", type=int, metavar="N", help=f"with --serve: its port ({PORT})")


def checked_address(serve: bool, host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen.

    Args:
        serve: whether a page is served at all.
        host: as given; None: not given.
        port: likewise.

    Raises:
        UserError: for an address without ``serve``, and a port that there is not.
    """
    if not serve and (host is not None or port is not None):
        raise UserError("--host and --port: only the page of --serve has an address; give --serve, or leave them out")
    if port is not None and not 1 <= port <= 65535:
        raise UserError(f"--port {port}: give a number from 1 to 65535")
    return host or HOST, PORT if port is None else port
