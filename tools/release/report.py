"""What a release's measurement leaves behind, written anew whenever a set is done: figures, rows, tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from contracts.files import write_table, write_text
from engine.evaluate.evaluation import Evaluation
from engine.runtime.experiment import require_writable
from metrics.accumulator import Accumulator
from tools.release import tables
from tools.release.scores import Figures, differences, estimates, ratios
from tools.release.systems import MAIN
from tracking.git import commit_hash

RESULTS, ROWS, RESTORE_ROWS, TABLES = "results.json", "per_image.csv", "restore_per_image.csv", "tables.md"


@dataclass
class Report:
    """The figures so far.

    Args:
        folder: where they are written.
        content: of results.json.
        rows: of per_image.csv.
        restore_rows: those of the rule of ``--restore``.
    """

    folder: Path
    content: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    restore_rows: list[dict[str, Any]] = field(default_factory=list)
    _measured: dict[str, Figures] = field(default_factory=dict)  # of the main weights, by set

    @classmethod
    def begun(cls, folder: Path, facts: Mapping[str, Any], settings: Mapping[str, Any], overwrite: bool) -> Report:
        """An empty report.

        Args:
            folder: to write to.
            facts: of the weights.
            settings: what figures depend on besides weights and photographs.
            overwrite: replace an earlier report.

        Raises:
            UserError: for a folder with an earlier report, unless ``overwrite``, or one that cannot be written to.
        """
        if (folder / RESULTS).exists() and not overwrite:
            raise UserError(f"{folder / RESULTS} exists; give --overwrite to replace it, or another folder with --out")
        require_writable(folder, "--out")
        content = {**facts, "commit": commit_hash(), "settings": dict(settings), "data": {}, "sets": {}, "ratios": {},
                   "against": {}, "restore": {}, "false_alarms": {}}  # fmt: skip
        return cls(folder, content)

    def add_scores(self, system: str, set_name: str, evaluation: Evaluation) -> None:
        """Add what a system, and the baselines beside it, got on a set.

        Args:
            system: its name.
            set_name: of the set.
            evaluation: scores of its photographs.
        """
        for name, scores in ((system, evaluation.scores), *evaluation.baselines.items()):
            figures = estimates(scores)
            section = self.content
            if name == MAIN:
                self._measured[set_name] = figures
            else:
                section = self.content["against"].setdefault(name, {})
                against = differences(self._measured[set_name], figures)
                section.setdefault("differences", {})[set_name] = _plain(against)
            section.setdefault("sets", {})[set_name] = _plain(figures)
            if shares := ratios(figures):
                section.setdefault("ratios", {})[set_name] = _plain(shares)
            self.rows += _rows(name, set_name, scores)
        self.write()

    def show_scores(self, set_name: str) -> None:
        """Print the table of a set."""
        print(f"\n{tables.scores(self.content, set_name)}\n", flush=True)

    def add_restore(self, set_name: str, results: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
        """Add what the ways of ``--restore`` got on a set.

        Args:
            set_name: of the set.
            results: by input, as ``strangers.compare`` gives them.
            rows: likewise, for each photograph and input.
        """
        self.content["restore"][set_name] = dict(results)
        self.restore_rows += [{"set": set_name, **row} for row in rows]
        self.write()
        print(f"\n{tables.restore({'restore': {set_name: results}})}\n", flush=True)

    def add_alarms(self, alarms: Mapping[str, Any]) -> None:
        """Replace the false alarms by all that were counted so far, with what they were counted in."""
        self.content["false_alarms"] = dict(alarms)
        self.write()

    def write(self) -> None:
        """Write all so far. Raises contracts.files.Unwritable where the disk refuses."""
        write_text(self.folder / RESULTS, json.dumps(self.content, indent=1) + "\n")
        write_text(self.folder / TABLES, tables.document(self.content))
        for name, rows in ((ROWS, self.rows), (RESTORE_ROWS, self.restore_rows)):
            if rows:
                write_table(self.folder / name, rows)


def _plain(figures: Figures) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures as JSON holds them, without their resamples."""
    return {
        condition: {key: estimate.figure() for key, estimate in by_metric.items()}
        for condition, by_metric in figures.items()
    }


def _rows(system: str, set_name: str, scores: Mapping[str, Accumulator]) -> list[dict[str, Any]]:
    """A row for each photograph and condition."""
    return [
        {"system": system, "set": set_name, "condition": condition, **row}
        for condition, accumulator in scores.items()
        for row in accumulator.rows()
    ]
