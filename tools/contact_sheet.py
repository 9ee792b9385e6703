"""Contact sheet of photographs: python -m tools.contact_sheet --synthetic 16 --folder DIR --out FILE.png."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.paths import user_path
from data.images import image_files, list_images, read_image
from data.masks import read_mask
from data.synthetic import SyntheticSource
from engine.runtime.experiment import require_writable
from visualization.drawing import save_png

CELL = 224  # px
GAP = 4  # px
Cell = tuple[np.ndarray, np.ndarray | None]


def square(image: np.ndarray, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
    """Middle square of ``image`` [H,W] or [H,W,3], resized to 224x224."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return cv2.resize(image[top : top + side, left : left + side], (CELL, CELL), interpolation=interpolation)


def synthetic_cells(count: int, seed: int) -> Iterator[Cell]:
    """Drawn photographs with their masks."""
    source = SyntheticSource(count, seed=seed)
    for index in range(count):
        image, mask = source.load(index)
        yield square(image), square(mask * np.uint8(255))


def _mask_of(image: Path) -> Path | None:
    """The mask of the same stem in the sister folder ``masks``, if there is one."""
    folder = image.parent.parent / "masks"
    masks = image_files(folder) if folder.is_dir() else []
    return next((mask for mask in masks if mask.stem == image.stem), None)


def folder_cells(folder: Path, count: int) -> Iterator[Cell]:
    """Up to ``count`` photographs spread evenly over ``folder``, masks from ``../masks`` if present.

    Raises UserError if the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"--folder {folder}: no such folder; give one that holds images")
    paths = list_images(folder)
    picked = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    for index in picked:
        mask = _mask_of(paths[index])
        cell_mask = None if mask is None else square(read_mask(mask) * np.uint8(255))
        yield square(read_image(paths[index])), cell_mask


def arrange(cells: list[np.ndarray], columns: int) -> np.ndarray:
    """Cells uint8 [224,224,3] in rows of ``columns`` on white with thin gaps between them: uint8 [H,W,3]."""
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    pitch = CELL + GAP
    sheet = np.full((rows * pitch - GAP, columns * pitch - GAP, 3), 255, np.uint8)
    for index, cell in enumerate(cells):
        top, left = index // columns * pitch, index % columns * pitch
        sheet[top : top + CELL, left : left + CELL] = cell
    return sheet


def with_masks(cells: list[Cell]) -> list[np.ndarray]:
    """Image and mask in turn; a cell without a mask gets a mid-grey one."""
    pictures = []
    for image, mask in cells:
        grey = np.full((CELL, CELL), 127, np.uint8) if mask is None else mask
        pictures += [image, np.repeat(grey[..., None], 3, axis=2)]
    return pictures


def parse() -> argparse.Namespace:
    """Command line."""
    parser = module_parser("tools.contact_sheet", __doc__)
    parser.add_argument("--synthetic", type=int, default=0, metavar="N", help="draw N synthetic photographs")
    parser.add_argument("--seed", type=int, default=0, help="series of the synthetic photographs")
    parser.add_argument("--folder", type=user_path, action="append", default=[], help="of images; repeatable")
    parser.add_argument("--limit", type=int, default=16, help="photographs per folder (16)")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--masks", action="store_true", help="show each mask to the right of its photograph")
    parser.add_argument("--out", type=user_path, required=True, help="PNG to write")
    return parser.parse_args()


def main() -> None:
    """Draw or read the cells, arrange them, write the PNG."""
    options = parse()
    if options.out.suffix.lower() != ".png":
        raise UserError(f"--out {options.out}: not a PNG; give a name that ends in .png")
    if options.columns < 1 or options.limit < 1 or options.synthetic < 0:
        raise UserError("--columns and --limit: give at least 1, --synthetic at least 0")
    if not options.synthetic and not options.folder:
        raise UserError("nothing to show; give --synthetic N or --folder DIR")
    cells = list(synthetic_cells(options.synthetic, options.seed)) if options.synthetic else []
    for folder in options.folder:
        cells += folder_cells(folder, options.limit)
    pictures = with_masks(cells) if options.masks else [image for image, _ in cells]
    require_writable(options.out.parent, "--out")
    save_png(options.out, arrange(pictures, options.columns))
    print(f"{len(cells)} photographs -> {options.out}")


if __name__ == "__main__":
    run_main(main)
