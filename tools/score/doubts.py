"""True masks that are probably something else."""

from __future__ import annotations

from collections.abc import Mapping

from tools.score.files import Values, crack

GREY = 0.05  # fraction of pixels far from both values from which a mask is doubted; JPEG rings by less


class Doubts:
    """Masks that are probably not what they were given as: nothing is refused for it, as it may be so."""

    def __init__(self) -> None:
        self._mostly_crack: list[str] = []
        self._grey: list[str] = []
        self._masks = 0

    def look(self, name: str, found: Values, full: Mapping[str, int]) -> None:
        """Take in one true mask."""
        share = found.values / full[found.kind]
        self._masks += 1
        if crack(found, full).mean() > 0.5:
            self._mostly_crack.append(name)
        if ((share > 0.1) & (share < 0.9)).mean() > GREY:
            self._grey.append(name)

    def sentences(self) -> list[str]:
        """What to ask oneself, a sentence for each kind."""
        kinds = (
            (self._mostly_crack, "are crack for the larger part: are they inverted?"),
            (self._grey, "hold many values between background and crack: are predictions and masks exchanged?"),
        )
        return [
            f"warning: {len(names)} of {self._masks} masks, such as '{names[0]}', {words}"
            for names, words in kinds
            if names
        ]
