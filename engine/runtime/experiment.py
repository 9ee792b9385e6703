"""The folder of an experiment: where everything lies, and what happens to an older one."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError
from contracts.paths import EARLIER
from engine.runtime import lock


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
    """Make sure that files can be made in a folder, before any work: the answer would else come with the results.

    Args:
        folder: need not exist.
        option: that named it, for errors.

    Raises:
        UserError: if they cannot.
    """
    ancestor = folder.absolute()
    while not ancestor.exists():
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise UserError(f"{option} {folder}: a file is in the way ({ancestor}); give another folder")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise UserError(f"{option} {folder}: no permission to write in {ancestor}; give another folder")


def archive(folder: Path) -> Path | None:
    """Move a folder that holds something aside to ``NAME_archived_TIME``, as BasicSR does; None if none does."""
    if not folder.exists() or (folder.is_dir() and all(child.name == lock.NAME for child in folder.iterdir())):
        return None
    target = folder.with_name(f"{folder.name}{EARLIER}{time.strftime('%Y%m%d_%H%M%S')}")
    suffix = 1
    while target.exists():
        target = target.with_name(f"{target.name.rsplit('+', 1)[0]}+{suffix}")
        suffix += 1
    folder.rename(target)
    return target


def staging_for(folder: Path) -> Path:
    """Where to write what shall stand in ``folder``: there if it holds nothing yet, else in a new folder beside it."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder
    staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}_new_", dir=folder.parent))
    staging.chmod(0o777 & ~_umask())  # mkdtemp's folders are for their owner only
    return staging


def put_in_place(staging: Path, folder: Path) -> Path | None:
    """Make a staging folder the content of another one.

    Args:
        staging: as ``staging_for`` gave it.
        folder: that it was given for.

    Returns:
        Where the earlier content was moved to; None: there was none.

    Raises:
        UserError: naming both, where that fails: what is in ``staging`` stays there.
    """
    if staging == folder:
        return None
    try:
        moved = archive(folder)
        staging.rename(folder)
    except OSError as error:
        message = f"{folder}: the earlier content cannot be moved aside ({error.strerror})"
        raise UserError(f"{message}; the new one is in {staging}") from None
    return moved


def _umask() -> int:
    """The permissions that new files lack; the only way to read them is to set them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def newest(root: Path) -> Experiment:
    """The experiment below ``root`` whose weights were written last. Raises UserError if none has any."""
    files = [*root.glob("*/models/best.pth"), *root.glob("*/models/latest.pth")]
    current = [file for file in files if EARLIER not in file.parts[-3]]
    if not current:
        raise UserError(
            f"no trained weights below {root}/, and none shipped; run 'python train_joint.py -opt options/joint.yml' "
            "first, or give --weights FILE"
        )
    return Experiment(max(current, key=lambda file: file.stat().st_mtime).parent.parent)


def weights_of(experiment: Experiment) -> Path:
    """The best weights of an experiment, else the latest. Raises UserError if there are none."""
    for path in (experiment.best, experiment.latest):
        if path.is_file():
            return path
    raise UserError(f"no weights in {experiment.folder / 'models'}; train it first or give --weights FILE")
