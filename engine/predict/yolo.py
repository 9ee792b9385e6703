"""Masks as polygons of YOLO: a text file for each photograph, a line "0 x y x y ..." for each crack.

Coordinates are shares of width and height (docs.ultralytics.com, "Instance Segmentation Datasets Overview"). A polygon
runs along the edges of pixels, so that it holds just those of the mask. It has no holes: each is joined to the outline
by a cut of no width, there and back, which fills right by the even-odd and by the winding rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from contracts.files import write_text
from engine.predict.mask_files import read_mask_file
from metrics.branches import EIGHT

Ring = NDArray[np.int64]
# steps along the four edges of a pixel (x, y), crack to their right: top, right, bottom, left
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # where they start


def polygons(mask: NDArray) -> Iterator[Ring]:
    """The outline of each region of a mask (eight neighbours), with its holes joined to it.

    Args:
        mask: [H,W], crack where not 0.

    Yields:
        Corners of pixels [N,2], x and y, the last joined to the first; the polygon has the area of the region.
    """
    labels, _ = ndimage.label(np.asarray(mask) != 0, EIGHT)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        found = rings(labels[rows, columns] == number)
        outline = next(ring for ring in found if area(ring) > 0)
        for hole in (ring for ring in found if area(ring) < 0):
            outline = _joined(outline, hole)
        yield outline + np.array([columns.start, rows.start])


def area(ring: Ring) -> float:
    """Of a polygon, by the shoelace formula; positive if it runs clockwise as seen."""
    x, y = ring.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def rings(region: NDArray[np.bool_]) -> list[Ring]:
    """The closed lines around a region [h,w] (clockwise) and around its holes (the other way), corners of pixels."""
    padded = np.pad(region, 1)
    beside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    ways: dict[tuple[int, int], list[int]] = {}
    for direction, other in enumerate(beside):
        rows, columns = np.nonzero(region & ~other)
        for x, y in zip(
            (columns + CORNERS[direction, 0]).tolist(), (rows + CORNERS[direction, 1]).tolist(), strict=True
        ):
            ways.setdefault((x, y), []).append(direction)
    found = []
    while ways:
        corner = next(iter(ways))
        before = -1
        ring = []
        while corner in ways:
            choices = ways[corner]
            # where two pixels touch at a corner, the left turn goes on to the other one
            direction = (before - 1) % 4 if len(choices) > 1 and (before - 1) % 4 in choices else choices[0]
            choices.remove(direction)
            if not choices:
                del ways[corner]
            if direction != before:
                ring.append(corner)
            before = direction
            corner = corner[0] + int(STEPS[direction, 0]), corner[1] + int(STEPS[direction, 1])
        found.append(np.array(ring))
    return found


def _joined(outline: Ring, hole: Ring) -> Ring:
    """A polygon with a hole, cut open between their nearest corners."""
    distances, nearest = cKDTree(outline).query(hole)
    start = int(distances.argmin())
    at = int(nearest[start])
    around = np.concatenate([hole[start:], hole[: start + 1]])
    return np.concatenate([outline[: at + 1], around, outline[at:]])


def write_yolo(folder: Path, masks: Iterable[tuple[str, Path]]) -> None:
    """Write the text files, each whole or not at all; one without cracks is empty.

    Args:
        folder: of the files.
        masks: the stem of each photograph, and the file of its mask [H,W].

    Raises:
        UserError: for a mask that cannot be read, and where the disk refuses.
    """
    for stem, file in masks:
        mask = read_mask_file(file)
        lines = []
        for ring in polygons(mask):
            shares = ring / (mask.shape[1], mask.shape[0])
            lines.append("0 " + " ".join(f"{share:.7g}" for share in shares.ravel().tolist()) + "\n")
        write_text(folder / f"{stem}.txt", "".join(lines), "make room, or give another folder with --yolo")
