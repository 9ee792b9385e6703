"""Ctrl-C in a training: noted at once, obeyed where nothing is half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Stopped(KeyboardInterrupt):
    """Ctrl-C obeyed at a safe place: the state may be saved."""


class Interruption:
    """Inside this context the first Ctrl-C (SIGINT) waits for ``check``; a second one stops at once.

    active False leaves Ctrl-C as it is; so does a process that ignores it (``nohup``), and a thread.
    """

    def __init__(self, active: bool = True) -> None:
        self.asked = False
        plain = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._active = active and plain and threading.current_thread() is threading.main_thread()

    def check(self) -> None:
        """Raise Stopped if Ctrl-C was pressed; to be called where a stop leaves nothing half done."""
        if self.asked:
            raise Stopped

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> Interruption:
        if self._active:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._active:
            signal.signal(signal.SIGINT, signal.default_int_handler)
