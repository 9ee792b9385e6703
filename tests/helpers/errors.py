"""How mistakes of the user are answered: one line, raised by a call or printed by a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from contracts.errors import UserError, run_main


def error_of(call: Callable[..., object], *arguments: object, **options: object) -> str:
    """The message, one line, of the UserError that ``call(*arguments, **options)`` raises."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_holds(message: str, parts: Iterable[str]) -> None:
    """A message holds all of these parts."""
    assert [part for part in parts if part not in message] == [], message


def exit_line(main: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr of a command, run by ``run_main``, that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        run_main(main)
    line = capsys.readouterr().err
    assert caught.value.code == 2 and line.startswith("error: ") and line.count("\n") == 1, line
    return line
