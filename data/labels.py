"""Image labels, "cracked" or not, and sources that hand them over instead of masks."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError, nearest
from data.derived import Derived
from data.facts import Facts, facts_of, has_crack
from data.images import IMAGE_SUFFIXES, read_image
from data.protocol import Loaded, Source
from data.reading import counted_notes, decide_bits
from data.survey import Progress, look_at_photograph, survey

CRACKED, UNCRACKED = ("1", "cracked", "crack", "true"), ("0", "uncracked", "noncrack", "false")
WORDS = {**dict.fromkeys(CRACKED, True), **dict.fromkeys(UNCRACKED, False)}


def labels_by_prefix(names: Iterable[str], uncracked: Sequence[str]) -> dict[str, bool]:
    """Labels that names of files tell.

    Args:
        names: of the photographs, STEM or FOLDER/STEM.
        uncracked: prefixes of the stems of photographs without a crack.

    Returns:
        False for these, else True, by name.
    """
    return {name: not name.rpartition("/")[2].startswith(tuple(uncracked)) for name in names}


def labels_by_folder(names: Iterable[str], uncracked: Sequence[str]) -> dict[str, bool]:
    """Labels that folders tell.

    Args:
        names: of the photographs, FOLDER/STEM.
        uncracked: folders of photographs without a crack.

    Returns:
        False for these, else True, by name.
    """
    return {name: name.rpartition("/")[0] not in uncracked for name in names}


def labels_from_masks(source: Source) -> dict[str, bool]:
    """Whether the mask of each photograph has any crack pixel, before resizing. Reads masks nothing is known of."""
    return {source.name(index): has_crack(source, index) for index in range(len(source))}


def labels_from_csv(path: Path, names: Iterable[str]) -> dict[str, bool]:
    """The labels that a CSV file gives to ``names``: lines NAME,LABEL with a label of 1 or 0.

    A first line that holds no label is a heading; cracked, crack, true and their opposites uncracked, noncrack,
    false are labels too. Names may carry a suffix such as .jpg. Lines for other photographs are passed over.

    Args:
        path: of the CSV file.
        names: of the photographs, STEM or FOLDER/STEM.

    Raises:
        UserError: for a file that cannot be read, another label, and a name without a line.
    """
    rows = dict(_rows(path))
    labels = {name: rows.get(name, rows.get(name.rpartition("/")[2])) for name in names}
    unlabelled = [name for name, label in labels.items() if label is None]
    if unlabelled:
        others = f" (and {len(unlabelled) - 1} more)" if len(unlabelled) > 1 else ""
        reason = f"no line for '{unlabelled[0]}'{others}{nearest(unlabelled[0], rows)}"
        raise UserError(f"labels '{path}': {reason}; add NAME,1 or NAME,0")
    return {name: bool(label) for name, label in labels.items()}


def _rows(path: Path) -> Iterable[tuple[str, bool]]:
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise UserError(f"labels '{path}' cannot be read: give a text file of lines NAME,1 or NAME,0") from None
    for number, cells in enumerate(lines, start=1):
        if not cells:
            continue
        label = WORDS.get(cells[1].strip().lower()) if len(cells) > 1 else None
        if label is None:
            if number == 1:
                continue
            raise UserError(f"labels '{path}' line {number}: '{','.join(cells)}' is not NAME,1 or NAME,0")
        name = cells[0].strip()
        yield str(Path(name).with_suffix("")) if Path(name).suffix.lower() in IMAGE_SUFFIXES else name, label


class Photographs:
    """Photographs on disk without masks: a source whose masks are NaN in every pixel.

    Every file is decoded once before any work. Whatever looked at such a mask would not stay finite.

    Args:
        files: (name, path) of each.
        bits: depth of values in 16-bit files, None: as the files say.
        notes: what was noted when the files were looked for.
        progress: called with the number of files looked at, and of all.

    Raises:
        UserError: for files that cannot be read.
    """

    def __init__(
        self, files: Sequence[tuple[str, Path]], bits: int | None = None,
        notes: Sequence[str] = (), progress: Progress | None = None,
    ) -> None:  # fmt: skip
        if not files:
            raise UserError("no photograph in this split: give a root or split list with some")
        photos = survey([path for _, path in files], look_at_photograph, progress)
        self.bits, about_bits = decide_bits(photos, bits)
        self.files = tuple(files)
        self._facts = tuple(Facts(photo.digest) for photo in photos)
        self.notes = (*notes, *counted_notes(photos), *about_bits)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """The photograph's name, STEM or FOLDER/STEM."""
        return self.files[index][0]

    def load(self, index: int) -> Loaded:
        """Image uint8 [H,W,3], and no mask: NaN [H,W]. UserError if the file cannot be read."""
        image = read_image(self.files[index][1], self.bits)
        return image, no_mask(image)

    def facts(self) -> tuple[Facts, ...]:
        """Digest of every photograph."""
        return self._facts

    def identity(self) -> list:
        """Name and file size of every photograph."""
        return [[name, path.stat().st_size] for name, path in self.files]


class Labelled(Derived):
    """Photographs of a source with image labels; their masks are hidden (NaN in every pixel).

    Args:
        source: the photographs.
        labels: whether there is a crack, by name.

    Raises:
        UserError: unless there are photographs with cracks and such without.
    """

    def __init__(self, source: Source, labels: Mapping[str, bool]) -> None:
        super().__init__(source)
        self.labels = labels
        cracked = sum(labels[source.name(index)] for index in range(len(source)))
        if cracked in (0, len(source)):
            kind = "none" if cracked == 0 else "all"
            raise UserError(
                f"datasets.train.labels: {kind} of {len(source)} photographs count as cracked, so there is nothing to "
                "tell apart; check the labels, or the names under uncracked"
            )

    def label(self, index: int) -> bool:
        """Whether the photograph shows a crack."""
        return self.labels[self.name(index)]

    def load(self, index: int) -> Loaded:
        """The image, and a mask that tells nothing."""
        image, _ = self.source.load(index)
        return image, no_mask(image)

    def facts(self) -> tuple[Facts, ...] | None:
        """The facts of the source, with nothing said of cracks but the labels."""
        facts = facts_of(self.source)
        if facts is None:
            return None
        return tuple(Facts(known.digest, taught=str(int(self.label(index)))) for index, known in enumerate(facts))

    def identity(self) -> list:
        """The identity of the source and the labels."""
        return [super().identity(), [int(self.label(index)) for index in range(len(self))]]


def no_mask(image: NDArray) -> NDArray[np.float32]:
    """NaN [H,W] for an image [H,W,3], without memory of its own."""
    return np.broadcast_to(np.float32(np.nan), image.shape[:2])
