"""Mosaics from the command line's point of view: GeoTIFF files in, rasters and layers out."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from contracts.errors import UserError
from contracts.names import one_line
from engine.mosaic.geotiff import Mosaic, gdal, opened, require_packages
from engine.mosaic.grid import Grid, Tile, grid_for
from engine.mosaic.ground import on_earth, scale_of
from engine.mosaic.layers import require_closed
from engine.mosaic.network import Network
from engine.mosaic.rasters import made_with_of
from engine.mosaic.results import Told, Wanted, make
from engine.mosaic.work import Work, fingerprint
from engine.predict.plan import Settings
from engine.predict.restore_rule import SMALLEST
from engine.predict.source import Source, find_source
from engine.runtime.distributed import ProcessGroup, joined
from engine.runtime.experiment import require_writable
from engine.runtime.progress import Progress

Result = TypeVar("Result")

WAYS = "--resume to go on, --overwrite to begin anew, or another folder with -o"


def predict_mosaics(
    inputs: Sequence[Path], settings: Settings, probability: bool, opt: str | None = None, weights: str | None = None
) -> None:
    """Find the cracks of mosaics, one after the other; under torchrun the processes share the tiles of each.

    Args:
        inputs: files.
        settings: what the user chose; ``restore`` "auto" is "never".
        probability: also write the probabilities.
        opt: as for ``engine.build.checkpoint.find_checkpoint``.
        weights: likewise.

    Raises:
        UserError: before any work for what the user gave, or where the disk refuses.
    """
    require_packages()
    settings = replace(settings, restore="never" if settings.restore == "auto" else settings.restore)
    settings.check()
    for_photographs = {
        "--rle": settings.rle,
        "--coco": settings.coco,
        "--yolo": settings.yolo,
        "--min-length": settings.minimum_length,
        "--reference": settings.scale.reference,
        "--distance": settings.scale.distance,
        "--scale-uncertainty": settings.scale.scale_uncertainty,
    }
    if given := [name for name, value in for_photographs.items() if value]:
        raise UserError(f"{given[0]} is for photographs, and {inputs[0]} is a mosaic; leave it out")
    if settings.tile < 16 or not 0 <= settings.overlap < settings.tile:
        told = f"--tile {settings.tile} --overlap {settings.overlap}"
        raise UserError(f"{told}: give a tile of 16 or more, and less overlap")
    stems = [path.stem.casefold() for path in inputs]
    if len(set(stems)) < len(stems):
        raise UserError("mosaics of the same name: their results would replace each other; give them in several calls")
    _require_names(inputs, settings.out)
    require_writable(settings.out, "-o")
    source = find_source(opt, weights, settings.precision, runtime=settings.runtime)
    with joined() as group, gdal():
        for path in inputs:
            with opened(path, settings.bits) as mosaic:
                Run(mosaic, settings, probability, source, group).check(inputs)
        group.wait()  # no process begins before all have seen the folder as it was
        for path in inputs:
            with opened(path, settings.bits) as mosaic:
                Run(mosaic, settings, probability, source, group).do()


def _require_names(inputs: Sequence[Path], out: Path) -> None:
    """Refuse names that GDAL does not take: without UTF-8, and with "!", behind which it seeks parts of archives."""
    for path in inputs:
        if not _is_text(path):
            raise UserError(f"{path}: bytes of the name are no UTF-8, and GDAL takes nothing else; rename it")
        if "!" in path.stem:
            raise UserError(f"{path}: '!' in the name, which GeoPackages cannot be written with; rename it")
    if not _is_text(out) or "!" in str(out):
        raise UserError(f"-o {out}: '!', or bytes that are no UTF-8, in the name; give another folder")


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


class Run:
    """The work on one mosaic.

    Args:
        mosaic: open.
        settings: what the user chose.
        probability: also write the probabilities.
        source: of the model.
        group: of processes that share the tiles.

    Raises:
        UserError: for a mosaic that cannot be done.
    """

    def __init__(
        self, mosaic: Mosaic, settings: Settings, probability: bool, source: Source, group: ProcessGroup
    ) -> None:
        self.mosaic, self.settings, self.source, self.group = mosaic, settings, source, group
        name = str(mosaic.path)
        if min(mosaic.height, mosaic.width) < SMALLEST:
            raise UserError(
                f"{name}: {mosaic.width}x{mosaic.height} pixels are too few; give at least {SMALLEST} a side"
            )
        self.restore = settings.restore == "always"
        area = source.minimum_area if settings.minimum_area is None else settings.minimum_area
        self.size, self.about_size = scale_of(
            mosaic.transform, mosaic.crs, (mosaic.height, mosaic.width), settings.scale.mm_per_pixel, name
        )
        beginning = str(settings.out / mosaic.path.stem)
        placed = mosaic.crs is not None and on_earth(mosaic.transform, mosaic.crs)
        self.wanted = Wanted(
            Path(f"{beginning}_mask.tif"),
            Path(f"{beginning}_cracks.gpkg"),
            Path(f"{beginning}_cracks.geojson") if placed else None,
            Path(f"{beginning}_probability.tif") if probability else None,
            settings.threshold,
            area,
        )
        self.work = Work(Path(f"{beginning}_work"))

    def check(self, sources: Sequence[Path]) -> None:
        """Refuse what cannot be done, before any work.

        Args:
            sources: all mosaics that are done in this call.

        Raises:
            UserError: where results or a work folder are in the way, or would replace one of the mosaics.
        """
        of = {path.resolve(): path for path in sources}
        for path in self.wanted.files:
            if path.resolve() in of:
                told = f"{of[path.resolve()]}: a result of {self.mosaic.path} would replace it"
                raise UserError(f"{told}; give another folder with -o")
        self.work.check(self._for_tiles(), self.settings.resume, self.settings.overwrite)
        if not self._done_before():
            require_closed(self.wanted.package)
        there = [path for path in self.wanted.files if path.exists()]
        if not there or self.settings.overwrite:
            return
        if not self.settings.resume:
            raise UserError(f"{there[0]} exists; give {WAYS}")
        if self.wanted.mask in there:
            if made_with_of(self.wanted.mask) != self.made_with():
                told = f"--resume: {self.wanted.mask} was made of another mosaic or with other weights or options"
                raise UserError(f"{told}; do the same to go on, or give --overwrite as well, or another folder with -o")
        elif not self.work.begun:
            raise UserError(f"{there[0]} exists, and no mask beside it; give --overwrite, or another folder with -o")

    def do(self) -> None:
        """Find and write, or go on with that, once it is checked."""
        began = time.perf_counter()
        if self._done_before():
            if self.group.first:
                print(one_line(f"{self.mosaic.path} was done before"), flush=True)
            return
        grid = self.find()
        if self.group.first:
            told = self._telling(grid, lambda: self.write(grid, self.made_with()))
            print(one_line(self._line(told, time.perf_counter() - began)), flush=True)
        self.group.wait()

    def made_with(self) -> dict[str, Any]:
        """All that results depend on, by the names of the options."""
        return {**self._for_tiles(), **self._for_results()}

    def find(self) -> Grid:
        """Look at all tiles that are not done, together with the other processes; return how they lie."""
        network = Network(self.source, self.restore)
        grid = grid_for(
            (self.mosaic.height, self.mosaic.width), self.settings.tile, self.settings.overlap, network.model.scale,
            network.model.stride, self.restore,
        )  # fmt: skip
        if self.group.first:
            self.work.begin(self._for_tiles(), self.settings.resume, self.settings.overwrite)
            self._tell(grid)
        self.group.wait()  # the folder is there, and nobody has begun
        left = self.work.left(grid.tiles())
        self.group.wait()  # all processes have seen the same
        self._telling(grid, lambda: self._tiles(network, grid, left))
        self.group.wait()
        return grid

    def write(self, grid: Grid, made_with: dict[str, Any]) -> Told:
        """Make the results of tiles that are all done, and remove these."""
        told = make(self.mosaic, grid, self.work, self.wanted, self.size, made_with)
        self.work.remove()
        return told

    def _telling(self, grid: Grid, work: Callable[[], Result]) -> Result:
        """Do some work; Ctrl-C in it tells how to go on."""
        try:
            return work()
        except KeyboardInterrupt:
            tiles = list(grid.tiles())
            done = f"{len(tiles) - len(self.work.left(tiles))} of {len(tiles)} tiles of {self.mosaic.path} are done"
            command = shlex.join(["python", *sys.argv, *(() if "--resume" in sys.argv else ("--resume",))])
            raise KeyboardInterrupt(f"{done}; to go on: {command}") from None

    def _for_tiles(self) -> dict[str, Any]:
        """What the tiles depend on, by the names of the options."""
        record = self.settings.record(self.source.digest, self.source.device.type, self.source.precision.name)
        names = ("weights", "--tile", "--overlap", "--bits", "device", "--precision")
        chosen = {"--runtime": self.source.runtime, **{name: record[name] for name in names}}
        shown = {"no data and masks": self.mosaic.shown()}
        return {"mosaic": fingerprint(self.mosaic.path), **shown, "--restore": self.settings.restore, **chosen}

    def _for_results(self) -> dict[str, Any]:
        """What results depend on besides: limits, and the place on the map, which may be in files beside the mosaic."""
        size = None if self.size is None else asdict(self.size)
        limits = {"--threshold": self.settings.threshold, "--min-area": self.wanted.minimum_area, "scale": size}
        crs = None if self.mosaic.crs is None else self.mosaic.crs.to_wkt()
        return {**limits, "place": [list(self.mosaic.transform.to_gdal()), crs]}

    def _done_before(self) -> bool:
        """Whether results are complete and made with the same."""
        if not self.settings.resume or self.work.begun or not all(path.exists() for path in self.wanted.files):
            return False
        return made_with_of(self.wanted.mask) == self.made_with()

    def _tiles(self, network: Network, grid: Grid, left: Sequence[Tile]) -> None:
        """Look at this process's share of the tiles that are not done."""
        own = self.group.of(left)
        if not own:
            return
        network.look_over(self.mosaic)
        name = one_line(self.mosaic.path.name)
        with Progress(len(own), f"{name}: tiles", quiet=not self.group.first) as bar:
            for tile in own:
                self.work.keep(tile, network.probabilities(self.mosaic, grid, tile))
                bar.update()

    def _tell(self, grid: Grid) -> None:
        """Say what is going to be done."""
        mosaic, tiles = self.mosaic, list(grid.tiles())
        left = len(self.work.left(tiles))
        before = f" ({len(tiles) - left} more were done before)" if left < len(tiles) else ""
        size = f"{mosaic.width}x{mosaic.height} pixels ({mosaic.megapixels:.0f} megapixels)"
        told = [f"{mosaic.path}: {size}, {self.about_size}", f"{left} tiles{before}, {self.source.description}"]
        for line in (*told, *([mosaic.slow()] if mosaic.slow() else [])):
            print(one_line(line), flush=True)

    def _line(self, told: Told, seconds: float) -> str:
        """What is printed about a mosaic at the end."""
        length, unit = told.length, "px"
        if self.size is not None:
            length, unit = self.size.of(length).times(1e-3), "m"
        found = f"{told.cracks} cracks, {length.value:.2f} ± {length.uncertainty:.2f} {unit} long in all"
        more = f", {told.cracks - told.lines} of them too short for a line" if told.lines < told.cracks else ""
        parts = f"; {told.split} too large to be measured at once, in parts that 'part' names" if told.split else ""
        files = ", ".join(path.name for path in self.wanted.files)
        share = f"{100 * told.share:.3f}% crack, {seconds:.1f} s"
        return f"{self.mosaic.path}: {found}{more}; {share}{parts} -> {self.settings.out}: {files}"
