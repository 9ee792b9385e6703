"""All photographs of a prediction in one table: the lines of ``summary.csv``, from the files of their cracks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from contracts.files import write_table
from contracts.names import readable
from engine.predict.plan import Job, LeftOut, Settings

NAME = "summary.csv"
FIRST = "photograph,results,"  # how its heading begins
NEEDED = "give --overwrite to replace it, or another folder with -o"


def check_summary(settings: Settings) -> None:
    """Make sure that the table can be written.

    Raises:
        UserError: for a file that exists, unless ``overwrite``, or ``resume`` and it is such a table.
    """
    path = settings.out / NAME
    if not path.exists() or settings.overwrite:
        return
    if not settings.resume:
        raise UserError(f"{path} exists; --resume goes on with a batch; else {NEEDED}")
    with path.open("rb") as file:
        if not file.readline().startswith(FIRST.encode()):
            raise UserError(f"{path} is not one of these tables; {NEEDED}")


def write_summary(settings: Settings, jobs: Sequence[Job], left_out: Iterable[LeftOut], repair: str) -> Path:
    """Write the table, whole or not at all.

    Args:
        settings: what the user chose.
        jobs: that were done.
        left_out: photographs that could not be done.
        repair: what the message of an error advises.

    Raises:
        UserError: for a file of cracks that cannot be read, and where the disk refuses.
    """
    rows = [_row(job, _read(job.files["cracks"])) for job in jobs]
    for entry in left_out:
        rows.append({"photograph": readable(str(entry.path)), "results": "", "notes": f"left out: {entry.reason}"})
    write_table(settings.out / NAME, rows, repair)
    return settings.out / NAME


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        return {**content, "cracks": None}
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path}: this file was changed or removed meanwhile; run the same with --resume") from None


def _row(job: Job, content: Mapping[str, Any]) -> dict[str, Any]:
    position = content["position"] or {}
    return {
        "photograph": readable(str(job.path)),
        "results": readable(job.files["mask"].name.removesuffix("_mask.png")),
        "width_px": content["width"],
        "height_px": content["height"],
        "restored": "yes" if content["restored"] else "no",
        "cracks": content["number"],
        **dict(_columns("total_length", content["total_length"], content)),
        **dict(_columns("max_width", content["max_width"], content)),
        **{f"widest_{side}": (content["max_width"] or {}).get(side) for side in ("row", "column")},
        "crack_area_fraction": content["crack_area_fraction"],
        "taken": content["taken"],
        **{key: position.get(key) for key in ("latitude", "longitude", "altitude")},
        "notes": "; ".join(_notes(content)),
    }


def _columns(name: str, figure: Mapping[str, float] | None, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for unit in ("px",) if content["scale"] is None else ("px", "mm"):
        yield f"{name}_{unit}", (figure or {}).get(unit)
        yield f"{name}_{unit}_uncertainty", (figure or {}).get(f"{unit}_uncertainty")


def _notes(content: Mapping[str, Any]) -> Iterator[str]:
    yield from content["notes"]
    if content["unmeasured"]:
        yield f"{content['unmeasured']} of the cracks are too small to be measured"
