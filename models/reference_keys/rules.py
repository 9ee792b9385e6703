"""A family of networks in the authors' checkpoints: their prefix, and names made from ours by rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# Our name on the left (a regular expression for the start), the authors' on the right.
Rules = list[tuple[str, str]]


@dataclass(frozen=True)
class Family:
    """How the tensors of a network are named in a released checkpoint.

    Args:
        prefix: start of all their names.
        rename: our name -> the authors'.
        unused: regular expression for whole names of the authors that stand for nothing of ours (second names of the
            same weights, tensors that their network holds but never uses).
    """

    prefix: str
    rename: Callable[[str], str]
    unused: str | None = None

    def owns(self, name: str) -> bool:
        """Whether a tensor of this name in a checkpoint belongs to a network of this family."""
        return name.startswith(self.prefix) and not (self.unused and re.fullmatch(self.unused, name))


def rename(name: str, rules: Rules) -> str:
    """Apply the one rule that fits the start of a name.

    Args:
        name: of our tensor.
        rules: pairs of a regular expression for the start of our name and the authors' text for it.

    Raises:
        KeyError: where no rule fits.
    """
    for pattern, replacement in rules:
        renamed, count = re.subn(rf"^{pattern}", replacement, name)
        if count:
            return renamed
    raise KeyError(f"no reference name for '{name}'")
