"""Which photographs are meant by what was given: files, folders, patterns such as 'site/**/*.jpg'."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from contracts.errors import UserError
from data.images import IMAGE_SUFFIXES, image_files, no_image, passed_over
from engine.predict.resume import stamp_of


def photographs(inputs: Sequence[Path]) -> list[Path]:
    """Every photograph of the files, folders and patterns given, each once.

    A name that exists is no pattern, whatever it holds. In folders, and among what a pattern matches, files of other
    kinds and results of this program (they say so) are passed over.

    Args:
        inputs: as given; "**" in a pattern stands for any folders.

    Raises:
        UserError: for a file that does not exist, and for a folder or pattern without photographs; what a file holds is
            not looked at.
    """
    paths: dict[Path, Path] = {}
    for given in inputs:
        paths.update({path.resolve(): path for path in _of(given)})
    return list(paths.values())


def told(inputs: Sequence[Path]) -> list[str]:
    """What of folders and patterns is passed over, a line each."""
    lines = []
    for given in inputs:
        others = passed_over(given) if given.is_dir() else ""
        results = 0 if given.is_file() else len(_candidates(given)) - len(_of(given))
        if results:
            others += f"{', ' if others else ''}{results} results of earlier predictions"
        if others:
            lines.append(f"{given}: passed over {others}")
    return lines


def _of(given: Path) -> list[Path]:
    if given.is_file():
        return [given]
    found = _candidates(given)
    kept = [path for path in found if not _is_result(path)]
    if kept:
        return kept
    if given.is_dir() and not found:
        raise no_image(given)
    if found:
        raise UserError(f"'{given}': only results of earlier predictions; give the photographs")
    raise UserError(f"'{given}' matches no photograph; correct the pattern")


def _candidates(given: Path) -> list[Path]:
    """Image files of a folder or pattern, by name."""
    if given.is_dir():
        return image_files(given)
    if given.exists() or not has_magic(str(given)):
        if not given.exists():
            raise UserError(f"no such file: '{given}'; correct the path")
        return [given]  # neither file nor folder: reading it will say what is wrong
    # pathlib takes no absolute pattern
    matches = (Path(name) for name in sorted(glob(str(given), recursive=True)))  # noqa: PTH207
    return [path for path in matches if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]


def _is_result(path: Path) -> bool:
    try:
        return path.is_file() and stamp_of(path) is not None
    except OSError:  # reading it will say what is wrong
        return False
