"""What people add to a model card: a YAML or JSON file, its entries and pictures checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import UserError, nearest
from data.images import read_image
from engine.options.load import parse_yaml

LARGEST_PICTURE = 300_000  # bytes: a clone fetches all of them
KEYS = ("summary", "intended_use", "limits", "failures")


@dataclass(frozen=True)
class Failure:
    """A photograph on which the weights fail.

    Args:
        text: what goes wrong and why.
        picture: to show, or None.
    """

    text: str
    picture: Path | None = None


@dataclass(frozen=True)
class CardData:
    """What people add to a card, beside the lines that hold for all weights of this project.

    Args:
        summary: a paragraph.
        intended_use: lines.
        limits: lines.
        failures: photographs on which the weights fail.
    """

    summary: str = ""
    intended_use: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


def read_card_data(path: Path) -> CardData:
    """Read ``summary: text``, ``intended_use: [text]``, ``limits: [text]``, ``failures: [{text, picture}]``.

    Pictures are looked for beside the file. Raises UserError for other entries, and for pictures that are missing,
    no images or over ``LARGEST_PICTURE``.
    """
    if not path.is_file():
        raise UserError(f"--card-data {path} does not exist; correct the path")
    content = parse_yaml(path.read_text(encoding="utf-8"), str(path))  # JSON is YAML
    if not isinstance(content, dict):
        raise UserError(f"--card-data {path}: give entries such as 'limits: [...]', of {', '.join(KEYS)}")
    for key in content:
        if key not in KEYS:
            hint = nearest(str(key), KEYS)
            raise UserError(f"--card-data {path}: unknown entry '{key}'{hint}; give {', '.join(KEYS)}")
    summary = content.get("summary", "")
    if not isinstance(summary, str):
        raise UserError(f"--card-data {path}: summary has to be text")
    use, limits = (_lines(content.get(key, []), path, key) for key in ("intended_use", "limits"))
    return CardData(summary.strip(), use, limits, _failures(content.get("failures", []), path))


def _lines(lines: Any, path: Path, key: str) -> tuple[str, ...]:
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UserError(f"--card-data {path}: {key} has to be a list of texts")
    return tuple(" ".join(line.split()) for line in lines)


def _failures(entries: Any, path: Path) -> tuple[Failure, ...]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"--card-data {path}: failures has to be a list of entries text, picture")
    failures: list[Failure] = []
    names: set[str] = set()
    for entry in entries:
        if not isinstance(entry.get("text"), str) or not entry.keys() <= {"text", "picture"}:
            raise UserError(f"--card-data {path}: a failure needs its text, may have a picture, and nothing else")
        picture = None if entry.get("picture") is None else path.parent / str(entry["picture"])
        if picture is not None:
            _check(picture, names, path)
        failures.append(Failure(" ".join(entry["text"].split()), picture))
    return tuple(failures)


def _check(picture: Path, names: set[str], path: Path) -> None:
    read_image(picture)
    if picture.stat().st_size > LARGEST_PICTURE:
        size = f"{picture.stat().st_size} bytes are over {LARGEST_PICTURE}"
        raise UserError(f"--card-data {path}: {picture}: {size}; give a smaller picture")
    if picture.name in names:
        raise UserError(f"--card-data {path}: two pictures are called {picture.name}; rename one")
    names.add(picture.name)
