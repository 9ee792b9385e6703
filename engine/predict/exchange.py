"""Files that hold the masks of all photographs, for other programs: checked before any work, written at its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from contracts.errors import UserError
from engine.predict import coco, rle, yolo
from engine.predict.plan import Job, Settings
from engine.runtime.experiment import require_writable

YOLO_LINE = re.compile(rb"(0( [0-9.e-]+)+)?\s*")


def check_exchange(settings: Settings, photographs: Sequence[Path], others: Iterable[Path] = ()) -> None:
    """Make sure that masks can be written to the files that are asked for.

    Args:
        settings: what the user chose.
        photographs: whose masks will be in them.
        others: files that this run writes as well.

    Raises:
        UserError: for a file that exists (unless ``overwrite``, or ``resume`` and it holds masks), that has another
            suffix than such files, that is one of the ``others``, and where two photographs could not be told apart.
    """
    taken = {path.resolve() for path in others}
    for option, path in (("--rle", settings.rle), ("--coco", settings.coco)):
        if path is not None and path.resolve() in taken:
            raise UserError(f"{option} {path}: this run writes another file of that name; give another one")
    heading, beginning = ",".join(rle.HEADING).encode(), coco.BEGINNING.encode()
    if settings.rle is not None:
        _check_file("--rle", settings.rle, ".csv", lambda line: line.rstrip() == heading, settings)
        _check_names(f"--rle {settings.rle}", photographs, lambda path: path.name)
    if settings.coco is not None:
        _check_file("--coco", settings.coco, ".json", lambda line: line.startswith(beginning), settings)
        _check_names(f"--coco {settings.coco}", photographs, lambda path: path.name)
    if settings.yolo is not None:
        require_writable(settings.yolo, "--yolo")
        _check_names(f"--yolo {settings.yolo}", photographs, lambda path: path.stem)
        for path in (settings.yolo / f"{photograph.stem}.txt" for photograph in photographs):
            _check_file("--yolo", path, ".txt", lambda line: YOLO_LINE.fullmatch(line) is not None, settings)


def write_exchange(settings: Settings, jobs: Iterable[Job]) -> None:
    """Write those files.

    Args:
        settings: what the user chose.
        jobs: that are done.

    Raises:
        UserError: for a mask that cannot be read, and where the disk refuses.
    """
    masks = [(job.path, job.files["mask"]) for job in jobs]
    if settings.rle is not None:
        rle.write_submission(settings.rle, ((path.name, mask) for path, mask in masks))
    if settings.coco is not None:
        coco.write_coco(settings.coco, ((path.name, mask) for path, mask in masks))
    if settings.yolo is not None:
        yolo.write_yolo(settings.yolo, ((path.stem, mask) for path, mask in masks))


def _check_file(option: str, path: Path, suffix: str, is_ours: Callable[[bytes], bool], settings: Settings) -> None:
    """Refuse a file that must not be replaced; ``is_ours`` is asked about its first line."""
    if path.suffix.lower() != suffix:  # never a photograph, whatever --overwrite says
        raise UserError(f"{option} {path}: give a file that ends in {suffix}")
    if path.exists() and not settings.overwrite:
        if not settings.resume:
            raise UserError(f"{option} {path} exists; give --overwrite to replace it, or another one")
        with path.open("rb") as file:
            if not is_ours(file.readline()):
                raise UserError(f"{option} {path} is not one of these files; give --overwrite as well, or another one")
    require_writable(path.parent, option)


def _check_names(what: str, photographs: Sequence[Path], name: Callable[[Path], str]) -> None:
    """Refuse photographs of one name."""
    seen: dict[str, Path] = {}
    for photograph in photographs:
        other = seen.setdefault(name(photograph), photograph)
        if other is not photograph:
            message = f"{what}: {other} and {photograph} would both be '{name(photograph)}' in it"
            raise UserError(f"{message}; rename one, or write a file for each folder")
