"""Which state of the code an experiment ran on."""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 10


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command printed, or None where git or the repository is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def commit_hash(folder: Path | None = None) -> str | None:
    """Return the commit of the checkout around ``folder``: 40 hexadecimal digits, then ``-dirty``
    if tracked files differ from it.

    ``folder`` defaults to the checkout this file lies in. None outside a git repository, before the
    first commit, or without git.
    """
    checkout = folder or Path(__file__).resolve().parent
    commit = _git(checkout, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit
