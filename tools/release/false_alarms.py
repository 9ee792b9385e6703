"""False alarms: what is found in photographs without a crack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from data.images import list_images, read_image
from engine.runtime.progress import Progress
from metrics.baselines import BASELINES
from metrics.small_regions import remove_small_regions
from tools.release.intervals import mean_of, share_of
from tools.release.strangers import Clean, answer
from tools.release.systems import System
from tools.small_regions import region_areas

AREAS = (1, 50)  # px; a region of fewer is no false alarm
Finder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Alarms:
    """What was found in one photograph: the area of each region in pixels, and the photograph's megapixels."""

    areas: NDArray[np.int64]
    megapixels: float


def crack_free(folders: Sequence[Path], count: int | None = None) -> list[Path]:
    """The photographs of folders that hold none with a crack.

    Args:
        folders: of photographs.
        count: take so many, spread evenly; None: all.

    Raises:
        UserError: for a folder that is missing or holds none.
    """
    missing = next((folder for folder in folders if not folder.is_dir()), None)
    if missing is not None:
        raise UserError(f"--crack-free {missing}: no such folder; give one of photographs without a crack")
    paths = [path for folder in folders for path in list_images(folder)]
    if count is None or count >= len(paths):
        return paths
    return [paths[index] for index in np.linspace(0, len(paths) - 1, count).round().astype(int)]


def finders(systems: Sequence[System], baselines: Sequence[str], ways: Sequence[str]) -> dict[tuple[str, str], Finder]:
    """How each system finds cracks in a photograph of its own size.

    Args:
        systems: weights.
        baselines: names of methods without learning.
        ways: of ``--restore``.

    Returns:
        By name and way; baselines have no way ("-"): they do not restore.
    """
    by_way: dict[tuple[str, str], Finder] = {}
    for system in systems:
        clean = partial(remove_small_regions, minimum_area=system.minimum_area)
        for way in ways:
            by_way[system.name, way] = partial(_probability, system, way, clean)
    return by_way | {(name, "-"): BASELINES[name] for name in baselines}


def _probability(system: System, way: str, clean: Clean, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return answer(system, pixels, (way,), clean)[way].probability


def count_alarms(find: Finder, paths: Sequence[Path], description: str) -> list[Alarms]:
    """What a system finds in each photograph, with a line of progress."""
    alarms = []
    with Progress(len(paths), description) as bar:
        for path in paths:
            pixels = read_image(path)
            alarms.append(Alarms(region_areas(find(pixels)), pixels.shape[0] * pixels.shape[1] / 1e6))
            bar.update()
    return alarms


def summary(alarms: Sequence[Alarms], areas: Sequence[int] = AREAS) -> dict[str, Any]:
    """By the least area of a region: the share of photographs with one, and regions per megapixel, with intervals.

    The share has Wilson's interval, regions per megapixel (of all photographs together) a bootstrap's.
    """
    megapixels = mean_of(np.array([photograph.megapixels for photograph in alarms]))
    summaries: dict[str, Any] = {}
    for least in areas:
        regions = np.array([np.count_nonzero(photograph.areas >= least) for photograph in alarms])
        summaries[str(least)] = {
            "photographs": share_of(int(np.count_nonzero(regions)), len(alarms)),
            "regions_per_megapixel": mean_of(regions).over(megapixels).figure(),
        }
    return summaries


def measure_all(
    finders: Mapping[tuple[str, str], Finder],
    paths: Sequence[Path],
    areas: Sequence[int],
    report: Callable[[Any], None],
) -> None:
    """Measure one system and way after the other.

    Args:
        finders: by name and way.
        paths: photographs without a crack.
        areas: least areas of alarms, pixels.
        report: called with all summaries so far, by name and way.
    """
    summaries: dict[str, dict[str, Any]] = {}
    for (name, way), find in finders.items():
        alarms = count_alarms(find, paths, f"false alarms: {name}, restore {way}")
        summaries.setdefault(name, {})[way] = summary(alarms, areas)
        report(summaries)
