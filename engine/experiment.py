"""The folder of an experiment: where everything lies, and what happens to an older one."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError


@dataclass(frozen=True)
class Experiment:
    """Paths of one experiment, laid out as BasicSR does."""

    folder: Path

    @property
    def options(self) -> Path:
        return self.folder / "options.yml"

    @property
    def latest(self) -> Path:
        return self.folder / "models" / "latest.pth"

    @property
    def best(self) -> Path:
        return self.folder / "models" / "best.pth"

    @property
    def state(self) -> Path:
        return self.folder / "training_states" / "latest.state"

    @property
    def results(self) -> Path:
        return self.folder / "results"


def require_writable(folder: Path, option: str) -> None:
    """Raise UserError unless files can be made in ``folder``, which need not exist; ``option`` named it.

    To be asked before any work, as the answer would else come only when the results are to be written.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{option} {folder}: a file is in the way ({place}); give another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{option} {folder}: no permission to write in {place}; give another folder")


def archive(folder: Path) -> Path | None:
    """Move a folder that holds something aside to ``NAME_archived_TIME``, as BasicSR does; None if none does."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    target = folder.with_name(f"{folder.name}_archived_{time.strftime('%Y%m%d_%H%M%S')}")
    suffix = 1
    while target.exists():
        target = target.with_name(f"{target.name.rsplit('+', 1)[0]}+{suffix}")
        suffix += 1
    folder.rename(target)
    return target


def newest(root: Path) -> Experiment:
    """The experiment below ``root`` whose weights were written last. Raises UserError if none has any."""
    files = [*root.glob("*/models/best.pth"), *root.glob("*/models/latest.pth")]
    current = [file for file in files if "_archived_" not in file.parts[-3]]
    if not current:
        raise UserError(
            f"no trained weights below {root}/; run 'python train_joint.py -opt options/joint.yml' first, "
            "or give --weights FILE"
        )
    return Experiment(max(current, key=lambda file: file.stat().st_mtime).parent.parent)


def weights_of(experiment: Experiment) -> Path:
    """The best weights of an experiment, else the latest. Raises UserError if there are none."""
    for path in (experiment.best, experiment.latest):
        if path.is_file():
            return path
    raise UserError(f"no weights in {experiment.folder / 'models'}; train it first or give --weights FILE")
