"""What a prediction will read and write, decided and checked before any work begins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError
from data.images import image_size, list_images

AUTO_MEGAPIXELS = 1.5  # --restore auto restores photographs up to this size
SMALLEST = 8  # px


@dataclass(frozen=True)
class Settings:
    """What the user chose.

    out: folder of the results; restore: "auto", "always" or "never"; threshold: crack from this
    probability on, in (0,1); tile, overlap: in pixels of the photograph before restoring;
    overwrite: replace earlier results; rle: a CSV file to write the masks to as runs, or None;
    minimum_area: regions of fewer segmented pixels are no cracks, None: what the model's options say.
    """

    out: Path = Path("results")
    restore: str = "auto"
    threshold: float = 0.5
    tile: int = 256
    overlap: int = 32
    overwrite: bool = False
    rle: Path | None = None
    minimum_area: int | None = None


@dataclass(frozen=True)
class Job:
    """One photograph: its file, its size (height, width), whether to restore it, its results by kind."""

    path: Path
    size: tuple[int, int]
    restore: bool
    files: dict[str, Path]

    @property
    def megapixels(self) -> float:
        """Size of the photograph."""
        return self.size[0] * self.size[1] / 1e6


def photographs(inputs: list[Path]) -> list[Path]:
    """Every photograph of the files and folders given, each once. Raises UserError for anything else."""
    found = {path.resolve(): path for given in inputs for path in list_images(given)}
    return list(found.values())


def output_names(paths: list[Path]) -> list[str]:
    """A name for the results of each photograph, no two alike even where upper and lower case are one.

    It is the stem; among photographs of one stem FOLDER_STEM, or STEM_SUFFIX where they share a folder
    too; with _2, _3, ... where that is taken.
    """
    stems = [path.stem.casefold() for path in paths]
    folders = [path.resolve().parent.name for path in paths]
    of_stem, of_both = Counter(stems), Counter(zip(stems, folders, strict=True))
    taken = set(stems)
    names = []
    for path, stem, folder in zip(paths, stems, folders, strict=True):
        if of_stem[stem] == 1:
            names.append(path.stem)
            continue
        alone = of_both[stem, folder] == 1
        name = _free(f"{folder}_{path.stem}" if alone else f"{path.stem}_{path.suffix[1:]}", taken)
        taken.add(name.casefold())
        names.append(name)
    return names


def _free(name: str, taken: set[str]) -> str:
    """``name``, or the first of name_2, name_3, ... that is not taken."""
    number, free = 1, name
    while free.casefold() in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def plan(paths: list[Path], settings: Settings, scale: int) -> list[Job]:
    """What to do with each photograph, from the headers of the files.

    Raises UserError for unreadable or tiny photographs, and where a result exists already (unless
    ``overwrite``) or would replace one of the photographs.
    """
    jobs = []
    for path, name in zip(paths, output_names(paths), strict=True):
        height, width = image_size(path)
        if min(height, width) < SMALLEST:
            raise UserError(f"{path}: {width}x{height} pixels are too few; give at least {SMALLEST} a side")
        small = height * width <= AUTO_MEGAPIXELS * 1e6
        restore = settings.restore == "always" or (settings.restore == "auto" and small)
        kinds = ["mask", "overlay", "probability", *(("restored", f"mask_x{scale}") if restore else ())]
        files = {kind: settings.out / f"{name}_{kind}.png" for kind in kinds}
        jobs.append(Job(path, (height, width), restore, files))
    _refuse_overwriting(jobs, settings)
    return jobs


def _refuse_overwriting(jobs: list[Job], settings: Settings) -> None:
    sources = {job.path.resolve() for job in jobs}
    for path in [path for job in jobs for path in job.files.values()]:
        if path.resolve() in sources:
            raise UserError(f"{path}: a result would replace this photograph; give another folder with -o")
        if path.exists() and not settings.overwrite:
            raise UserError(f"{path} exists; give --overwrite to replace it, or another folder with -o")
