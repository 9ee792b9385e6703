"""Finding pairs of photograph and mask in the folder layouts that people have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError, nearest
from data.decode import header
from data.images import IMAGE_SUFFIXES, image_files, image_size, no_image, read_image
from data.masks import read_mask
from data.orientation import TURNED

LAYOUTS = "images/ + masks/, PART/images/ + PART/masks/, or PART_img/ + PART_lab/ (PART: train, test, ...)"
SplitLists = str | Path | Iterable[str | Path]


@dataclass(frozen=True)
class Pair:
    """A photograph and its mask; ``name`` is STEM, or FOLDER/STEM where the root has several folders."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Folder:
    """A folder of photographs with its folder of masks; ``name`` is "" for the root itself."""

    name: str
    images: Path
    masks: Path

    def pairs(self, stems: Iterable[str] | None = None) -> list[Pair]:
        """Return the pairs of the given stems (default: of every image), as `pair_folders` does."""
        return pair_folders(self.images, self.masks, self.name, stems)


def find_pairs(root: Path | str, split_list: SplitLists | None = None, part: str | None = None) -> list[Pair]:
    """Return the pairs of image and mask under ``root``, matched by stem and sorted by name.

    Layouts: ``root/images`` + ``root/masks``; folders that hold ``images`` + ``masks`` each
    (khanhha's crack_segmentation_dataset: train and test); ``train_img`` + ``train_lab``,
    ``test_img`` + ``test_lab`` (DeepCrack). ``part`` picks one of them by name ("train"); without
    it all count. ``split_list`` is a text file, or several, of lines ``FOLDER/STEM`` or ``STEM``
    (blank lines and lines starting with # are passed over), looked for as given and then under
    ``root``; only the named pairs are returned, once each, and other folders are not looked into.
    None and an empty list of files stand for all pairs.
    Raises UserError for a missing folder, layout, part, mask or listed stem, a stem held by two
    files, and for a choice that leaves no pair.
    """
    root = Path(root)
    folders = find_folders(root)
    if part is not None:
        folders = {part: _chosen(folders, part, root)}
    if not split_list:
        pairs = [pair for folder in folders.values() for pair in folder.pairs()]
    else:
        pairs = _listed_pairs(root, folders, split_list)
    return sorted(pairs, key=lambda pair: pair.name)


def find_photographs(
    root: Path | str, split_list: SplitLists | None = None, part: str | None = None
) -> list[tuple[str, Path]]:
    """Return the photographs under ``root`` as (name, path), sorted by name; masks are not looked for.

    Layouts, ``split_list`` and ``part`` as in `find_pairs`; a folder that holds nothing but photographs will do,
    too, and so will one that holds a folder of photographs for each class. Raises UserError as `find_pairs`
    does, but for masks.
    """
    root = Path(root)
    folders = {"": root} if root.is_dir() and image_files(root) else _image_folders(root, part)
    found = {
        f"{name}/{stem}" if name else stem: path
        for name, folder in folders.items() for stem, path in _by_stem(folder, "images").items()
    }
    if split_list:
        names = [_listed(line, file, found) for line, file in read_split_lists(split_list, root).items()]
        found = {name: found[name] for name in names}
    if not found:
        raise no_image(root)
    return sorted(found.items())


def _image_folders(root: Path, part: str | None) -> dict[str, Path]:
    if part is None and root.is_dir() and not folders_of_layouts(root):
        classes = {child.name: child for child in _subfolders(root) if image_files(child)}
        if classes:
            return classes
    folders = find_folders(root)
    if part is not None:
        folders = {part: _chosen(folders, part, root)}
    return {name: folder.images for name, folder in folders.items()}


def _listed(line: str, file: Path, found: dict[str, Path]) -> str:
    """The name that a line of a split list means, with or without the file's suffix."""
    bare = str(Path(line).with_suffix("")) if Path(line).suffix.lower() in IMAGE_SUFFIXES else line
    for name in (line, bare):
        if name in found:
            return name
    raise UserError(f"split list '{file}' names '{line}', but there is no such image{nearest(bare, found)}")


def _chosen(folders: dict[str, Folder], part: str, root: Path) -> Folder:
    """The folder called ``part``. Raises UserError naming those there are."""
    if part not in folders:
        valid = ", ".join(sorted(filter(None, folders))) or "none"
        raise UserError(f"no part '{part}' in '{root}'{nearest(part, folders)}; parts there: {valid}")
    return folders[part]


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
    found = [Folder("", root / "images", root / "masks")]
    found += [Folder(child.name, child / "images", child / "masks") for child in children]
    for child in children:
        if child.name.endswith("_img"):
            part = child.name.removesuffix("_img")
            found.append(Folder(part, child, root / f"{part}_lab"))
    return {folder.name: folder for folder in found if folder.images.is_dir()}


def _subfolders(root: Path) -> list[Path]:
    return sorted(child for child in root.iterdir() if child.is_dir())


def pair_folders(
    images: Path | str, masks: Path | str, prefix: str = "", stems: Iterable[str] | None = None
) -> list[Pair]:
    """Match the images of one folder with the masks of another by stem, whatever their suffixes.

    ``prefix`` (a folder name) goes before each name; ``stems`` limits the pairs (default: every
    image). Masks without an image are passed over. Raises UserError as `find_pairs` does.
    """
    images, masks = Path(images), Path(masks)
    image_of, mask_of = _by_stem(images, "images"), _by_stem(masks, "masks")
    if not image_of:
        raise no_image(images)
    chosen = list(image_of) if stems is None else list(stems)
    without = [stem for stem in chosen if stem not in mask_of]
    if without:
        more = f" (and {len(without) - 1} more images)" if len(without) > 1 else ""
        raise UserError(
            f"image '{image_of[without[0]]}' has no mask{more}: expected '{masks / without[0]}' with suffix "
            f".png, .jpg or another{nearest(without[0], mask_of)}; add the mask (all black if there is no "
            "crack), or remove the image"
        )
    name = f"{prefix}/{{}}" if prefix else "{}"
    return [Pair(name.format(stem), image_of[stem], mask_of[stem]) for stem in chosen]


def check_sizes(pairs: Iterable[Pair]) -> None:
    """Read the header of every file; raise UserError for a pair of different sizes or an unreadable file."""
    for pair in pairs:
        if image_size(pair.image) != image_size(pair.mask):  # decode before blaming: headers may not tell all
            check_same_size(pair, read_image(pair.image).shape, read_mask(pair.mask).shape)


def check_same_size(pair: Pair, image: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """Raise UserError where image and mask, given as (height, width), differ in size."""
    if image[:2] == mask[:2]:
        return
    files = f"image '{pair.image}' and its mask '{pair.mask}'"
    sizes = f"{files} differ in size ({image[1]}x{image[0]} and {mask[1]}x{mask[0]} pixels)"
    if image[1::-1] == mask[:2] and header(pair.image)[2] in TURNED:
        raise UserError(f"{sizes}: the mask ignores the photograph's EXIF orientation; rotate the mask")
    raise UserError(f"{sizes}: export the mask at the size of the image, or remove the pair")


def read_split_lists(split_list: SplitLists, root: Path) -> dict[str, Path]:
    """Return the lines of one or several list files, in order, each with the file that names it first."""
    paths = [split_list] if isinstance(split_list, str | Path) else list(split_list)
    lines: dict[str, Path] = {}
    for path in map(Path, paths):
        file = next((option for option in (path, root / path) if option.is_file()), None)
        if file is None:
            raise UserError(f"no split list '{path}' (nor under '{root}'): correct the path")
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise UserError(f"split list '{path}' is no text file: give one FOLDER/STEM a line") from None
        for line in map(str.strip, text.splitlines()):
            if line and not line.startswith("#"):
                lines.setdefault(line, file)
    if not lines:
        names = ", ".join(map(str, paths))
        raise UserError(f"split list '{names}' names no image: give one FOLDER/STEM a line")
    return lines


def _by_stem(folder: Path, kind: str) -> dict[str, Path]:
    """The image files of a folder by stem; UserError where it is missing or two files share a stem."""
    if not folder.is_dir():
        raise UserError(f"no folder '{folder}': the {kind} have to be there, matched by stem")
    found: dict[str, Path] = {}
    for file in image_files(folder):
        if file.stem in found:
            both = f"'{found[file.stem]}' and '{file.name}'"
            raise UserError(f"two {kind} of the same stem: {both}; rename or remove one of them")
        found[file.stem] = file
    return found


def _listed_pairs(root: Path, folders: dict[str, Folder], split_list: SplitLists) -> list[Pair]:
    """The pairs that list files name; each folder is read only if it is named."""
    held: dict[str, dict[str, Path]] = {}
    stems: dict[str, dict[str, None]] = {}  # dictionaries as ordered sets: a line repeated counts once
    for line, file in read_split_lists(split_list, root).items():
        name, _, stem = line.rpartition("/")
        if name not in folders:
            known = ", ".join(sorted(filter(None, folders))) or "none"
            reason = f"'{root}' has no such folder of images{nearest(name, folders)}; folders there: {known}"
            raise UserError(f"split list '{file}' names '{line}', but {reason}")
        if name not in held:
            held[name] = _by_stem(folders[name].images, "images")
        if stem not in held[name] and Path(stem).suffix.lower() in IMAGE_SUFFIXES:
            stem = Path(stem).stem
        if stem not in held[name]:
            reason = f"'{folders[name].images}' has no image of that stem{nearest(stem, held[name])}"
            raise UserError(f"split list '{file}' names '{line}', but {reason}; correct the list or the root")
        stems.setdefault(name, {})[stem] = None
    return [pair for name, chosen in stems.items() for pair in folders[name].pairs(chosen)]
