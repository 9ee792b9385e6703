"""What a prediction will read and write, decided and checked before any work begins."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contracts.errors import UserError
from contracts.files import ENDING
from data.images import image_size
from engine.predict.restore_rule import RESTORE, restores
from engine.predict.scale import NO_SCALE, ScaleChoice

LONGEST_NAME = 255  # bytes, in all usual file systems
PICTURES = ("mask", "overlay", "probability")  # kinds of results that there always are
RESTORED = ("restored", "mask_x")  # beginnings of the kinds of results that restoring alone gives
NAMED = 10  # photographs that an error names, of those left out


@dataclass(frozen=True)
class Settings:
    """What the user chose.

    Attributes:
        out: folder of the results.
        restore: "auto", "always" or "never".
        threshold: crack from this probability on, in (0,1).
        tile: side of tiles in pixels of the photograph before restoring.
        overlap: of tiles, in the same pixels.
        overwrite: replace earlier results.
        resume: leave those alone that are complete and made with the same.
        rle: a CSV file to write the masks to as runs, or None.
        coco: a JSON file to write them to as a COCO data set, or None.
        yolo: a folder to write them to as polygons of YOLO, or None.
        minimum_area: regions of fewer segmented pixels are no cracks; None: what the model's options say.
        bits: the depth of values in 16-bit files; None: as ``data.images.read_photograph`` guesses.
        precision: as ``engine.predict.source.find_source`` wants it.
        runtime: likewise.
        measure: measure cracks, and write what comes of it.
        scale: of the photographs.
        minimum_length: shorter cracks are left out, pixels of the photograph.
        geojson: write centrelines as GeoJSON, too.
    """

    out: Path = Path("results")
    restore: str = "auto"
    threshold: float = 0.5
    tile: int = 256
    overlap: int = 32
    overwrite: bool = False
    resume: bool = False
    rle: Path | None = None
    coco: Path | None = None
    yolo: Path | None = None
    minimum_area: int | None = None
    bits: int | None = None
    precision: str = "auto"
    runtime: str = "auto"
    measure: bool = False
    scale: ScaleChoice = NO_SCALE
    minimum_length: float = 0.0
    geojson: bool = False

    @property
    def measures(self) -> bool:
        """Whether cracks are measured, asked for by itself or by what needs it."""
        return self.measure or self.scale.given or self.minimum_length > 0 or self.geojson

    def check(self) -> None:
        """Raise UserError for a value that means nothing."""
        if self.restore not in RESTORE:
            raise UserError(f"restore '{self.restore}': give one of {', '.join(RESTORE)}")
        if not 0 < self.threshold < 1:
            raise UserError(f"--threshold {self.threshold}: give a value between 0 and 1, such as 0.5")
        if self.minimum_area is not None and self.minimum_area < 0:
            raise UserError(f"--min-area {self.minimum_area}: give a number of pixels, 0 to keep all regions")
        self.scale.check()
        if not 0 <= self.minimum_length < math.inf:
            raise UserError(f"--min-length {self.minimum_length:g}: give a number of pixels, 0 to keep all cracks")

    def record(self, weights: str, device: str, precision: str) -> dict[str, Any]:
        """What results depend on besides the photograph, by the names of the options.

        Args:
            weights: their digest.
            device: its type, such as "cpu".
            precision: the name of that in use.
        """
        chosen = {"--threshold": self.threshold, "--tile": self.tile, "--overlap": self.overlap}
        machine = {"device": device, "--precision": precision}
        measured = {"--measure": True, **self.scale.record(), "--min-length": self.minimum_length}
        more = measured if self.measures else {}
        return {"weights": weights, **chosen, "--min-area": self.minimum_area, "--bits": self.bits, **machine, **more}


@dataclass(frozen=True)
class Job:
    """One photograph: its file, its size (height, width), whether to restore it, its results by kind.

    restore: None: that shows when it is looked at; then ``files`` also holds what comes of restoring.
    looked: whether ``restore`` showed in that way, or will.
    others: results that are not wanted: of an earlier run, they would contradict.
    """

    path: Path
    size: tuple[int, int]
    restore: bool | None
    files: dict[str, Path]
    looked: bool = False
    others: tuple[Path, ...] = ()

    def decided(self, restore: bool) -> Job:
        """The same, known to be restored or not."""
        files = {kind: file for kind, file in self.files.items() if restore or not kind.startswith(RESTORED)}
        gone = tuple(file for kind, file in self.files.items() if kind not in files)
        return replace(self, restore=restore, files=files, others=self.others + gone)

    @property
    def megapixels(self) -> float:
        """Size of the photograph."""
        return self.size[0] * self.size[1] / 1e6


@dataclass(frozen=True)
class LeftOut:
    """A photograph that nothing can be found in, and why, with its name."""

    path: Path
    reason: str


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


def plan(paths: list[Path], settings: Settings, scale: int) -> tuple[list[Job], list[LeftOut]]:
    """What to do with each photograph, from the headers of the files, and those that cannot be done.

    Args:
        paths: the photographs.
        settings: what the user chose.
        scale: of the model.

    Raises:
        UserError: where a result exists already (unless ``overwrite`` or ``resume``) or would replace one of the
            photographs.
    """
    jobs, left_out = [], []
    for path, name in zip(paths, output_names(paths), strict=True):
        try:
            jobs.append(_job(path, name, settings, scale))
        except UserError as error:
            left_out.append(LeftOut(path, str(error)))
    _refuse_overwriting(jobs, paths, settings)
    return jobs, left_out


def _job(path: Path, name: str, settings: Settings, scale: int) -> Job:
    height, width = image_size(path)
    restore = restores(settings.restore, height, width, str(path))
    settings.scale.of(path, height, width)  # raises here where EXIF data does not tell it
    every = {kind: settings.out / f"{name}_{kind}.png" for kind in (*PICTURES, "restored", f"mask_x{scale}")}
    every |= {"cracks": settings.out / f"{name}_cracks.json", "geojson": settings.out / f"{name}_cracks.geojson"}
    wanted = {"cracks": settings.measures, "geojson": settings.geojson}
    files = {kind: file for kind, file in every.items() if wanted.get(kind, kind in PICTURES or restore is not False)}
    if max(len(os.fsencode(file.name + ENDING)) for file in files.values()) > LONGEST_NAME:
        raise UserError(f"{path}: no room for '_probability.png' in so long a name; rename it")
    others = {kind: file for kind, file in every.items() if kind not in files}
    return Job(path, (height, width), restore, files, restore is None, tuple(others.values()))


def _refuse_overwriting(jobs: list[Job], paths: list[Path], settings: Settings) -> None:
    sources = {path.resolve() for path in paths}
    for path in [path for job in jobs for path in job.files.values()]:
        if path.resolve() in sources:
            raise UserError(f"{path}: a result would replace this photograph; give another folder with -o")
        if path.exists() and not (settings.overwrite or settings.resume):
            ways = "--resume to go on with a batch, --overwrite to replace it, or another folder with -o"
            raise UserError(f"{path} exists; give {ways}")


def refuse_left_out(left_out: Sequence[LeftOut], count: int) -> None:
    """Refuse a prediction without some of its photographs.

    Args:
        left_out: those that could not be done.
        count: of all photographs.

    Raises:
        UserError: naming those left out, if there are any.
    """
    if not left_out:
        return
    message = f"{len(left_out)} of {count} photographs left out"
    if len(left_out) == 1:
        raise UserError(f"{message}: {left_out[0].reason}")
    names = ", ".join(str(entry.path) for entry in left_out[:NAMED])
    more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    raise UserError(f"{message}: {names}{more}; the first: {left_out[0].reason}")
