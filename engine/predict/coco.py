"""Masks as a COCO data set (cocodataset.org, "Data format"): each crack an object with its pixels as compressed runs.

Runs are counted down the columns, background first; their lengths are packed as in the data set's own tools
(cocoapi, ``maskApi.c``, ``rleToString``): each is told, from the third on, as its difference to the last but one, in
groups of five bits, the lowest first, with a sixth bit where more follow, as characters from "0" on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contracts.files import write_text
from contracts.names import readable
from engine.predict.mask_files import read_mask_file
from metrics.branches import EIGHT

CATEGORY = {"id": 1, "name": "crack", "supercategory": "defect"}
BEGINNING = '{"info": {"description": "cracks found by csbsr"}'


def counts(mask: NDArray) -> list[int]:
    """Lengths of the runs of a mask [H,W], background first, down the columns."""
    flat = np.asarray(mask).T.reshape(-1) != 0
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def compressed(lengths: list[int]) -> str:
    """Lengths of runs as text."""
    text = []
    for index, length in enumerate(lengths):
        value = length - lengths[index - 2] if index > 2 else length
        more = True
        while more:
            bits, value = value & 31, value >> 5
            # the fifth bit is the sign of what remains
            more = value != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + 32 * more))
    return "".join(text)


def objects_of(mask: NDArray, image: int, first: int) -> list[dict[str, Any]]:
    """An object for each region of a mask (eight neighbours).

    Args:
        mask: [H,W], crack where not 0.
        image: number of the photograph.
        first: number of the first object.
    """
    labels, _ = ndimage.label(np.asarray(mask) != 0, EIGHT)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[rows, columns] == number
        runs = compressed(_placed_counts(inside, rows, columns, labels.shape))
        found.append(
            {
                "id": first + number - 1,
                "image_id": image,
                "category_id": CATEGORY["id"],
                "segmentation": {"size": list(labels.shape), "counts": runs},
                "area": int(inside.sum()),
                "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                "iscrowd": 0,
            }
        )
    return found


def _placed_counts(inside: NDArray[np.bool_], rows: slice, columns: slice, shape: tuple[int, ...]) -> list[int]:
    """``counts`` of a region in a photograph: as long as the region's columns, not as the photograph."""
    height, width = shape
    strip = np.zeros((height, columns.stop - columns.start), bool)
    strip[rows] = inside
    lengths = counts(strip)
    lengths[0] += columns.start * height
    behind = (width - columns.stop) * height
    if len(lengths) % 2:  # the last run is background
        lengths[-1] += behind
    elif behind:
        lengths.append(behind)
    return lengths


def write_coco(path: Path, masks: Iterable[tuple[str, Path]]) -> None:
    """Write the data set, whole or not at all.

    Args:
        path: of the file.
        masks: the name of each photograph, and the file of its mask [H,W].

    Raises:
        UserError: for a mask that cannot be read, and where the disk refuses.
    """
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for number, (name, file) in enumerate(masks, start=1):
        mask = read_mask_file(file)
        size = {"width": mask.shape[1], "height": mask.shape[0]}
        images.append({"id": number, "file_name": readable(name), **size})
        objects += objects_of(mask, number, len(objects) + 1)
    content = {"licenses": [], "images": images, "annotations": objects, "categories": [CATEGORY]}
    write_text(path, f"{BEGINNING}, {json.dumps(content)[1:]}\n", "make room, or give another file with --coco")
