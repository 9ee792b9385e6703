"""Matching the photographs of one folder with the masks of another, by stem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UserError, nearest
from contracts.names import readable
from data.images import image_files, no_image, passed_over

MARKS = ("{}_mask", "{}_masks", "{}_label", "{}_labels", "{}_gt", "{}_seg", "{}_annotation", "{}-mask", "{}-label",
         "mask_{}", "label_{}", "gt_{}")  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A photograph and its mask.

    Attributes:
        name: STEM, or FOLDER/STEM where the root has several folders.
        image: the photograph's file.
        mask: the mask's file.
    """

    name: str
    image: Path
    mask: Path


def pair_folders(
    images: Path | str, masks: Path | str, prefix: str = "", stems: Iterable[str] | None = None,
    notes: list[str] | None = None,
) -> list[Pair]:  # fmt: skip
    """Match the images of one folder with the masks of another by stem, whatever their suffixes.

    Where masks are called like 000_mask (MARKS) and nothing else fits, that counts as 000. Masks without an image are
    passed over.

    Args:
        images: folder of the photographs.
        masks: folder of the masks.
        prefix: a folder name that goes before each name.
        stems: limits the pairs; default: every image.
        notes: what was assumed or passed over is appended.

    Raises:
        UserError: for a missing folder, an image without a mask, and a stem held by two files.
    """
    images, masks = Path(images), Path(masks)
    image_of, mask_of = by_stem(images, "images"), by_stem(masks, "masks")
    if not image_of:
        raise no_image(images)
    assumed: list[str] = []
    selected = list(image_of) if stems is None else list(stems)
    marked = _marked([stem for stem in selected if stem not in mask_of], mask_of)
    unmasked = [stem for stem in selected if stem not in mask_of and stem not in marked]
    if unmasked:
        others = f" (and {len(unmasked) - 1} more images)" if len(unmasked) > 1 else ""
        raise UserError(
            f"image '{image_of[unmasked[0]]}' has no mask{others}: expected '{masks / unmasked[0]}' with suffix "
            f".png, .jpg or another{nearest(unmasked[0], mask_of)}; add the mask (all black if there is no "
            "crack), or remove the image"
        )
    if marked:
        stem, mask = next(iter(marked.items()))
        assumed.append(f"{len(marked)} masks are called like '{mask_of[mask].name}' for '{image_of[stem].name}'")
    if notes is not None:
        notes += assumed + _left_over(images, masks, image_of, mask_of, marked if stems is None else None)
    return [
        Pair(f"{prefix}/{stem}" if prefix else stem, image_of[stem], mask_of[marked.get(stem, stem)])
        for stem in selected
    ]


def by_stem(folder: Path, kind: str) -> dict[str, Path]:
    """The image files of a folder by readable stem.

    Args:
        folder: to list.
        kind: what messages call the files, "images" or "masks".

    Raises:
        UserError: for a missing folder and for two files of one stem.
    """
    if not folder.is_dir():
        raise UserError(f"no folder '{folder}': the {kind} have to be there, matched by stem")
    files: dict[str, Path] = {}
    for file in image_files(folder):
        stem = readable(file.stem)
        if stem in files:
            both = f"'{files[stem]}' and '{file.name}'"
            raise UserError(f"two {kind} of the same stem: {both}; rename or remove one of them")
        files[stem] = file
    return files


def _marked(stems: list[str], masks: Mapping[str, Path]) -> dict[str, str]:
    """The stem of the only mask that is called like one of ``stems`` with a mark; nothing for those without."""
    candidates = {stem: [name for name in (mark.format(stem) for mark in MARKS) if name in masks] for stem in stems}
    return {stem: names[0] for stem, names in candidates.items() if len(names) == 1}


def _left_over(
    images: Path, masks: Path, image_of: Mapping[str, Path], mask_of: Mapping[str, Path],
    marked: Mapping[str, str] | None,
) -> list[str]:  # fmt: skip
    """What of two folders was passed over: files of other kinds, and (with ``marked``) masks without an image."""
    notes = [f"'{folder}': passed over {others}" for folder in (images, masks) if (others := passed_over(folder))]
    if marked is not None:
        alone = sorted(set(mask_of) - set(image_of) - set(marked.values()))
        if alone:
            first = mask_of[alone[0]].name
            notes.append(f"'{masks}': passed over {len(alone)} masks without a photograph, first '{first}'")
    return notes
