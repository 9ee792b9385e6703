"""What a check found, and how it is told: a line on the screen, a row of Markdown, an entry of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.errors import UserError
from contracts.files import write_text
from engine.runtime.experiment import archive, require_writable

FORMAT = "gpu_check/1"
JSON, MARKDOWN = "gpu_check.json", "report.md"
OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"


class Failed(Exception):
    """A check that went wrong; the message says how, in one line."""


class Skipped(Exception):
    """A check that could not be made; the message says why, in one line."""


@dataclass(frozen=True)
class Figure:
    """A number that was measured.

    Args:
        what: its name.
        value: the number.
        limit: the largest it may be, None where it is only reported.
    """

    what: str
    value: float
    limit: float | None = None

    @property
    def within(self) -> bool:
        """Whether it keeps its limit; what is not a number keeps none."""
        return self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.what} {self.value:.3g}" + ("" if self.limit is None else f" (limit {self.limit:.2g})")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        name: of the check.
        state: OK, FAILED or SKIPPED.
        seconds: that it took.
        figures: what was measured.
        told: what went wrong or why it was skipped, where that is more than a figure.
    """

    name: str
    state: str
    seconds: float
    figures: tuple[Figure, ...] = ()
    told: str = ""

    def line(self) -> str:
        """For the screen, of any width."""
        return f"{self.state:8} {self.name:32} {self.seconds:6.1f} s  {self.details()}"

    def row(self) -> str:
        """For a Markdown table."""
        details = self.details().replace("|", "\\|")
        return f"| {self.state} | {self.name} | {details} | {self.seconds:.1f} |"

    def details(self) -> str:
        """The figures, and what else there is to say."""
        return "; ".join([*([self.told] if self.told else []), *map(str, self.figures)])


def judged(name: str, seconds: float, figures: Sequence[Figure]) -> Finding:
    """The finding of a check that went through: ok if every figure keeps its limit.

    Args:
        name: of the check.
        seconds: that it took.
        figures: what was measured.
    """
    return Finding(name, OK if all(figure.within for figure in figures) else FAILED, seconds, tuple(figures))


def summary(findings: Sequence[Finding]) -> str:
    """How many there are of each state."""
    return ", ".join(
        f"{sum(finding.state == state for finding in findings)} {state}" for state in (OK, FAILED, SKIPPED)
    )


def take_folder(folder: Path) -> Path | None:
    """Make ``folder`` ready for a new report; return where an earlier one was moved to.

    Raises UserError if it holds anything else than such a report, or cannot be written to.
    """
    require_writable(folder, "--out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / JSON).is_file():
        raise UserError(f"--out {folder} holds something else than a report; give a new folder")
    moved = archive(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return moved


def write(folder: Path, machine: str, findings: Sequence[Finding], seconds: float) -> None:
    """Write both files, also in the middle of the work: what is found so far.

    Args:
        folder: of the report.
        machine: in words.
        findings: so far.
        seconds: in all.
    """
    content = {"format": FORMAT, "machine": machine, "seconds": seconds, "findings": [*map(asdict, findings)]}
    write_text(folder / JSON, json.dumps(content, indent=1) + "\n")
    head = f"# {summary(findings)}\n\n{machine}, {seconds:.0f} s in all\n\n"
    table = "| state | check | figures | seconds |\n|---|---|---|---|\n"
    write_text(folder / MARKDOWN, head + table + "\n".join(finding.row() for finding in findings) + "\n")
