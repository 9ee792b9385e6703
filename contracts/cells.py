"""Tables as CSV text that spreadsheets show as it is: a name that looks like a formula is text there, too."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how cells begin that spreadsheets compute (OWASP, CSV injection)
MARK = "'"  # before them: spreadsheets then take the cell as text


def to_cell(value: Any) -> Any:
    """A value as it is written: text that a spreadsheet would take as a formula gets ``MARK`` in front.

    Args:
        value: numbers, and text that is one, such as "-0.5", stay as they are.

    Returns:
        What ``from_cell`` makes the same text of again.
    """
    if not isinstance(value, str) or not value.lstrip(MARK).startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return MARK + value
    return value


def from_cell(cell: str) -> str:
    """The text of a cell that ``to_cell`` wrote."""
    marked = cell.startswith(MARK) and cell.lstrip(MARK).startswith(FORMULA)
    return cell[len(MARK) :] if marked else cell


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV with a column for each key, in the order of their first rows; cells as ``to_cell`` gives them.

    Args:
        rows: values by column; what a row lacks stays empty.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)), restval="")
    writer.writeheader()
    writer.writerows({name: to_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()
