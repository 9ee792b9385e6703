"""Finding photographs, and pairs of photograph and mask, in the folder layouts that people have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contracts.errors import UserError, nearest
from contracts.names import readable
from data.images import IMAGE_SUFFIXES, image_files, no_image, passed_over
from data.layouts import Folder, choose, find_folders, folders_of_classes, folders_of_layouts
from data.pairing import Pair, by_stem

SplitLists = str | Path | Iterable[str | Path]


def find_pairs(
    root: Path | str, split_list: SplitLists | None = None, part: str | None = None,
    role: str | None = None, notes: list[str] | None = None,
) -> list[Pair]:  # fmt: skip
    """Return the pairs of image and mask under ``root``, matched by stem and sorted by name.

    Layouts: ``root/images`` + ``root/masks``; folders that hold ``images`` + ``masks`` each
    (khanhha's crack_segmentation_dataset: train and test); ``train_img`` + ``train_lab``,
    ``test_img`` + ``test_lab`` (DeepCrack).

    Args:
        root: the folder.
        split_list: a text file, or several, of lines ``FOLDER/STEM`` or ``STEM`` (blank lines and lines starting with
            # are passed over), looked for as given and then under ``root``. Only the named pairs are returned, once
            each, and other folders are not looked into. None and an empty list of files stand for all pairs.
        part: picks one of the folders by name ("train").
        role: without ``part``, picks the half that is meant for "train", "val" or "test"; see `data.layouts.choose`.
        notes: what was assumed or passed over is appended.

    Raises:
        UserError: for a missing folder, layout, part, mask or listed stem, a stem held by two files, and for a choice
            that leaves no pair.
    """
    root, notes = Path(root), [] if notes is None else notes
    folders = find_folders(root)
    if split_list:
        folders = folders if part is None else choose(folders, root, part, None, notes)
        pairs = _listed_pairs(root, folders, split_list)
    else:
        folders = choose(folders, root, part, role, notes)
        pairs = [pair for folder in folders.values() for pair in folder.pairs(notes=notes)]
    return sorted(pairs, key=lambda pair: pair.name)


def find_photographs(
    root: Path | str, split_list: SplitLists | None = None, part: str | None = None,
    role: str | None = None, notes: list[str] | None = None,
) -> list[tuple[str, Path]]:  # fmt: skip
    """Find the photographs under a folder; masks are not looked for.

    Layouts as of `find_pairs`; a folder that holds nothing but photographs will do, too, and so will one that holds a
    folder of photographs for each class.

    Args:
        root: the folder.
        split_list: as of `find_pairs`, as are the other arguments.
        part: likewise.
        role: likewise.
        notes: likewise.

    Returns:
        (name, path) of each, sorted by name.

    Raises:
        UserError: as of `find_pairs`, but for masks.
    """
    root, notes = Path(root), [] if notes is None else notes
    plain = root.is_dir() and image_files(root)
    folders = {"": root} if plain else _image_folders(root, part, None if split_list else role, bool(split_list), notes)
    photographs = {
        f"{name}/{stem}" if name else stem: path
        for name, folder in folders.items()
        for stem, path in by_stem(folder, "images").items()
    }
    if split_list:
        names = [_listed(line, file, photographs) for line, file in read_split_lists(split_list, root).items()]
        photographs = {name: photographs[name] for name in names}
    if not photographs:
        raise no_image(root)
    notes += [f"'{folder}': passed over {others}" for folder in folders.values() if (others := passed_over(folder))]
    return sorted(photographs.items())


def _image_folders(root: Path, part: str | None, role: str | None, all_: bool, notes: list[str]) -> dict[str, Path]:
    if part is None and root.is_dir() and not folders_of_layouts(root):
        classes = folders_of_classes(root)
        if classes:
            return classes
    folders = find_folders(root)
    if part is not None or not all_:
        folders = choose(folders, root, part, role, notes)
    return {name: folder.images for name, folder in folders.items()}


def _listed(line: str, file: Path, photographs: dict[str, Path]) -> str:
    """The name that a line of a split list means, with or without the file's suffix."""
    bare = str(Path(line).with_suffix("")) if Path(line).suffix.lower() in IMAGE_SUFFIXES else line
    for name in (line, bare):
        if name in photographs:
            return name
    raise UserError(f"split list '{file}' names '{line}', but there is no such image{nearest(bare, photographs)}")


def read_split_lists(split_list: SplitLists, root: Path) -> dict[str, Path]:
    """Read one or several list files.

    Args:
        split_list: path or paths, looked for as given and then under ``root``.
        root: a folder.

    Returns:
        Their lines in order, each with the file that names it first.

    Raises:
        UserError: for a file that is missing or no text, and if no line names anything.
    """
    paths = [split_list] if isinstance(split_list, str | Path) else list(split_list)
    lines: dict[str, Path] = {}
    for path in map(Path, paths):
        file = next((option for option in (path, root / path) if option.is_file()), None)
        if file is None:
            raise UserError(f"no split list '{path}' (nor under '{root}'): correct the path")
        text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")  # names may be no UTF-8
        if "\0" in text:
            raise UserError(f"split list '{path}' is no text file: give one FOLDER/STEM a line")
        for line in map(str.strip, text.splitlines()):
            if line and not line.startswith("#"):
                lines.setdefault(readable(line), file)
    if not lines:
        names = ", ".join(map(str, paths))
        raise UserError(f"split list '{names}' names no image: give one FOLDER/STEM a line")
    return lines


def _listed_pairs(root: Path, folders: dict[str, Folder], split_list: SplitLists) -> list[Pair]:
    """The pairs that list files name; each folder is read only if it is named."""
    images: dict[str, dict[str, Path]] = {}  # by stem, of each folder
    stems: dict[str, dict[str, None]] = {}  # dictionaries as ordered sets: a line repeated counts once
    for line, file in read_split_lists(split_list, root).items():
        name, _, stem = line.rpartition("/")
        if name not in folders:
            valid = ", ".join(sorted(filter(None, folders))) or "none"
            reason = f"'{root}' has no such folder of images{nearest(name, folders)}; folders there: {valid}"
            raise UserError(f"split list '{file}' names '{line}', but {reason}")
        if name not in images:
            images[name] = by_stem(folders[name].images, "images")
        if stem not in images[name] and Path(stem).suffix.lower() in IMAGE_SUFFIXES:
            stem = Path(stem).stem
        if stem not in images[name]:
            reason = f"'{folders[name].images}' has no image of that stem{nearest(stem, images[name])}"
            raise UserError(f"split list '{file}' names '{line}', but {reason}; correct the list or the root")
        stems.setdefault(name, {})[stem] = None
    return [pair for name, listed in stems.items() for pair in folders[name].pairs(listed)]
