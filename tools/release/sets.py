"""Frozen sets of photographs, and the inputs that are made of them: the same for all weights and on every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from contracts.errors import UserError, lookup
from data.sources import Source, Subset
from degradations.pipeline import Pipeline
from degradations.presets import PRESETS, build_pipeline
from engine.build.data import build_source
from engine.options import Folder

TESTS = ("test_deepcrack", "test_cfd", "test_uav75", "test_lowlight")
SETS = (*TESTS, "paper_test", "release_val")  # lists ROOT/splits/NAME.txt
HR = "hr"
DEGRADED = {"degraded": "kondo_ukita"}  # a condition's preset where the two differ in name
CONDITIONS = (HR, "clean", "degraded", "field")
SEED = 5  # of every degradation, with the photograph's name


def condition_names() -> list[str]:
    """All conditions that can be asked for: the photograph itself, and every degradation that has a name."""
    presets = [name for name in PRESETS if name not in DEGRADED.values()]
    return [HR, *presets, *DEGRADED]


def inputs_of(conditions: Sequence[str], scale: int) -> dict[str, Pipeline | None]:
    """How the input of each condition is made of a photograph; None: it is the photograph itself.

    The settings are the same whatever the weights were trained with. LR images are 8-bit.

    Args:
        conditions: their names.
        scale: of the weights.

    Raises:
        UserError: for an unknown condition.
    """
    known = {name: DEGRADED.get(name, name) for name in condition_names()}
    presets = {name: lookup(known, name, "condition") for name in conditions}
    return {
        name: None if name == HR else build_pipeline(preset, scale=scale, quantise=True)
        for name, preset in presets.items()
    }


def list_files(root: Path, names: Sequence[str], own: Sequence[tuple[str, str]]) -> dict[str, Path]:
    """The list file of each set by its name.

    Args:
        root: folder with ``splits``.
        names: sets ROOT/splits/NAME.txt.
        own: further sets, (name, list).

    Raises:
        UserError: for a name that two sets have, and for one that ``SETS`` lacks.
    """
    known = {name: root / "splits" / f"{name}.txt" for name in SETS}
    files = {name: lookup(known, name, "set") for name in names}
    for name, path in own:
        if name in files:
            raise UserError(f"--set {name}={path}: two sets of this name; give another one")
        files[name] = Path(path)
    return files


def read_sets(root: Path, lists: Mapping[str, Path], count: int | None = None) -> dict[str, Source]:
    """The photographs with masks of each set.

    Args:
        root: folder of all photographs.
        lists: list file of each set.
        count: take so many of each, spread evenly; None: all.

    Raises:
        UserError: for a list or a pair that is missing, and for masks that are not clear.
    """
    sources = {}
    for name, path in lists.items():
        source = build_source(Folder(type="folder", root=str(root), lists=[str(path)]), name)
        sources[name] = source if count is None else spread(source, count)
    return sources


def spread(source: Source, count: int) -> Source:
    """Photographs of a source, from the first to the last at equal steps.

    Args:
        source: the photographs.
        count: take so many; all of them if there are fewer.
    """
    if count >= len(source):
        return source
    return Subset(source, np.unique(np.linspace(0, len(source) - 1, count).round().astype(int)).tolist())
