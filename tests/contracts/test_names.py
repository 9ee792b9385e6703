"""Names of files whose bytes are no UTF-8."""

from __future__ import annotations

import os

import pytest

from contracts.names import BYTES_AS_HEX, readable


@pytest.mark.parametrize(
    ("name", "message"),
    [(b"caf\xe9.png", "caf\\xe9.png"), ("café.png".encode(), "café.png"), (b"\xff\xfe", "\\xff\\xfe")],
)
def test_the_same_in_names_and_in_streams(name: bytes, message: str) -> None:
    held = os.fsdecode(name)
    assert readable(held) == message
    assert held.encode("utf-8", BYTES_AS_HEX).decode("utf-8") == message


def test_what_an_output_has_no_letters_for_is_escaped() -> None:
    assert "ü\udcff🙂".encode("ascii", BYTES_AS_HEX) == b"\\xfc\\xff\\U0001f642"
