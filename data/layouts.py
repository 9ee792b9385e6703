"""The folder layouts that people have: which folders below a root hold photographs and masks, and what they are for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError, nearest
from contracts.names import readable
from data.images import image_files
from data.pairing import Pair, pair_folders

LAYOUTS = "images/ + masks/, PART/images/ + PART/masks/, or PART_img/ + PART_lab/ (PART: train, test, ...)"
ROLES = {  # what halves are called
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
LEFT_ALONE = re.compile(r"^[._]|(^|[\W_])(backup|bak|old|copy|trash|deleted)s?\d*($|[\W_])", re.IGNORECASE)


@dataclass(frozen=True)
class Folder:
    """A folder of photographs with its folder of masks.

    Attributes:
        name: "" for the root itself.
        images: the photographs.
        masks: their masks.
    """

    name: str
    images: Path
    masks: Path

    def pairs(self, stems: Iterable[str] | None = None, notes: list[str] | None = None) -> list[Pair]:
        """The pairs of photograph and mask, as `pair_folders` returns them.

        Args:
            stems: of the images to take; None: every image.
            notes: what was assumed or passed over is appended.
        """
        return pair_folders(self.images, self.masks, self.name, stems, notes)


def find_folders(root: Path) -> dict[str, Folder]:
    """Return the folders of photographs with masks under ``root`` by name; "" stands for root itself."""
    if not root.is_dir():
        raise UserError(f"no folder '{root}': give the folder that holds {LAYOUTS}")
    folders = folders_of_layouts(root)
    if not folders:
        raise UserError(f"no photographs with masks in '{root}': it has to hold {LAYOUTS}")
    return folders


def folders_of_layouts(root: Path) -> dict[str, Folder]:
    """What `find_folders` returns, or nothing where no layout is known."""
    children = _subfolders(root)
    candidates = [Folder("", root / "images", root / "masks")]
    candidates += [Folder(readable(child.name), child / "images", child / "masks") for child in children]
    for child in children:
        if child.name.endswith("_img"):
            name = readable(child.name.removesuffix("_img"))
            candidates.append(Folder(name, child, child.with_name(child.name.removesuffix("_img") + "_lab")))
    return {folder.name: folder for folder in candidates if folder.images.is_dir()}


def folders_of_classes(root: Path) -> dict[str, Path]:
    """The sub-folders that hold photographs themselves, one for each class, by name."""
    children = (child for child in _subfolders(root) if not LEFT_ALONE.search(child.name))
    return {readable(child.name): child for child in children if image_files(child)}


def choose(
    folders: dict[str, Folder], root: Path, part: str | None, role: str | None, notes: list[str]
) -> dict[str, Folder]:
    """Choose the folders to read.

    Without ``part``, ``root``'s own images count alone if it has some; folders that are hidden or called like backups
    are left alone; and of halves for training, validation and test those for ``role`` count.

    Args:
        folders: those found, by name.
        root: the folder that holds them.
        part: the name of the one to read, or None.
        role: "train", "val", "test", or None for all.
        notes: what was chosen or left alone is appended.

    Raises:
        UserError: for a part that is not there, and where there are halves but none for the role.
    """
    if part is not None:
        return {part: named(folders, part, root)}
    aside = {name for name in folders if name and LEFT_ALONE.search(name)}
    candidates = {name: folder for name, folder in folders.items() if name not in aside}
    if "" in candidates and len(candidates) > 1:
        aside, candidates = set(folders) - {""}, {"": candidates[""]}
    if not candidates:
        raise UserError(f"'{root}' holds nothing but {_quoted(aside)}; name the one to read with part")
    if aside:
        notes.append(f"'{root}': {_quoted(aside)} left alone (part: NAME reads it)")
    halves = {name: role_ for name in candidates for role_, names in ROLES.items() if name.lower() in names}
    if role is None or not halves:
        return candidates
    chosen = [name for name, role_ in halves.items() if role_ == role]
    if not chosen:
        raise UserError(
            f"'{root}' has the parts {', '.join(candidates)}, but none for {role}; "
            f"say which to read, as part: {next(iter(candidates))}"
        )
    if len(candidates) > len(chosen):
        notes.append(f"'{root}': {_quoted(chosen)} taken of {', '.join(candidates)}")
    return {name: candidates[name] for name in chosen}


def named(folders: dict[str, Folder], part: str, root: Path) -> Folder:
    """The folder called ``part``. Raises UserError naming those there are."""
    if part not in folders:
        valid = ", ".join(sorted(filter(None, folders))) or "none"
        raise UserError(f"no part '{part}' in '{root}'{nearest(part, folders)}; parts there: {valid}")
    return folders[part]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _subfolders(root: Path) -> list[Path]:
    return sorted(child for child in root.iterdir() if child.is_dir())
