"""Progress of a loop: a bar with the time to go on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from tqdm import tqdm


def format_seconds(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_value(value: float | int | str) -> str:
    """Return a value as it is shown beside the bar: floats with 4 significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Progress:
    """Shows how far a loop is; use as a context manager and call ``update`` in it.

    Args:
        total: number of steps in all.
        description: what is going on.
        every: without a terminal, one line is printed each time this many steps are done (and at the end); None:
            every tenth of the total.
        start: steps done already (a resumed run); rate and time to go count from there.
        stream: None: standard error.
        quiet: show nothing (processes other than the first).
    """

    def __init__(
        self,
        total: int,
        description: str,
        every: int | None = None,
        start: int = 0,
        stream: TextIO | None = None,
        quiet: bool = False,
    ) -> None:
        self.total, self.description, self.start = total, description, start
        self.done = start
        self._every = max(1, every if every is not None else total // 10)
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._began = time.monotonic()
        self._printed = start
        self._bar: tqdm | None = None
        if not quiet and self._stream.isatty():
            self._bar = tqdm(total=total, desc=description, initial=start, file=self._stream, dynamic_ncols=True)

    def update(self, n: int = 1, **shown: float | int | str) -> None:
        """Count ``n`` more steps; ``shown`` are values to show beside the count."""
        self.done += n
        if self._bar is not None:
            if shown:
                self._bar.set_postfix({k: format_value(v) for k, v in shown.items()}, refresh=False)
            self._bar.update(n)
            return
        due = self.done >= self.total or self.done // self._every > self._printed // self._every
        if due and not self._quiet:  # a plain line at the end, and once in every interval
            self._printed = self.done
            print(self._line(shown), file=self._stream, flush=True)

    def _line(self, shown: dict[str, float | int | str]) -> str:
        """Return the plain line: step, total, percent, rate, time to go, values."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self.done - self.start) / seconds
        to_go = (self.total - self.done) / rate if rate > 0 else 0.0
        percent = 100 * self.done / max(self.total, 1)
        values = "".join(f"  {key} {format_value(value)}" for key, value in shown.items())
        return (
            f"{self.description} {self.done}/{self.total} ({percent:.0f}%)  "
            f"{rate:.3g}/s  {format_seconds(seconds)} gone, {format_seconds(to_go)} to go{values}"
        )

    def write(self, text: str) -> None:
        """Print a line without breaking the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        elif not self._quiet:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Finish the bar; a second call does nothing."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
