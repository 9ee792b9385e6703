"""Which weights are meant: named ones, those that are shipped, or the newest of one's own experiments."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import UserError
from engine.runtime.experiment import newest, weights_of
from engine.runtime.weights_folder import CONFIG, TENSORS, made_at, read_config

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"  # those that are shipped, a folder each
DEFAULT = "compact"


def resolve(weights: str | Path) -> Path:
    """The path that is meant: what exists as written, else the name of shipped weights; tensors mean their folder."""
    path = Path(weights)
    if not path.exists() and str(path) == path.name and (WEIGHTS / path / CONFIG).is_file():
        return _shown(WEIGHTS / path)
    return path.parent if path.name == TENSORS else path


def default_weights(root: Path) -> Path:
    """The best, else the latest, weights of the newest experiment below ``root``; shipped ones if those are newer.

    Weights of one's own are as old as their file, shipped ones as they say (a checkout keeps no times of files).
    Raises UserError where there are neither.
    """
    shipped = WEIGHTS / DEFAULT
    if not (shipped / CONFIG).is_file():
        return weights_of(newest(root))
    try:
        own = weights_of(newest(root))
    except UserError:
        return _shown(shipped)
    newer = own.stat().st_mtime > made_at(shipped, read_config(shipped)["made"])
    return own if newer else _shown(shipped)


def is_shipped(path: Path) -> bool:
    """Whether these weights came with the project."""
    return path.resolve().parent == WEIGHTS


def _shown(path: Path) -> Path:
    """The path as a user would type it: relative below the working directory."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
