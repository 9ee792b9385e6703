"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path

EARLIER = "_archived_"  # in the name of an experiment's folder that was moved aside


def user_path(text: str) -> Path:
    """The path that ``text`` means, "~" being the home folder: shells leave it alone in ``--out=~/x``."""
    return Path(os.path.expanduser(text))
