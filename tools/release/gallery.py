"""Contact sheet of what is found in photographs: ``python -m tools.release.gallery PHOTOS --weights FILE --out a.png``.

Each photograph stands beside its overlay as predict.py makes it, with its name and the share of crack pixels; pages of
at most 24. They are meant to be looked at: scores say how much is wrong, and not what.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from os.path import expanduser
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.paths import user_path
from data.images import read_photograph
from engine.predict.inputs import photographs
from engine.runtime.experiment import require_writable
from engine.runtime.progress import Progress
from metrics.small_regions import remove_small_regions
from tools.release.strangers import WAYS, answer
from tools.release.systems import MAIN, System, load_system
from visualization.drawing import PAPER, save_png, write
from visualization.panels import overlay

CELL = 240  # px; side of the square that a photograph is fitted into
CAPTION, GAP = 22, 6  # px
PAGE = 24  # photographs
COLUMNS = 4  # pairs in a row


def fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photograph [H,W,3] at the lower edge of a white square of CELL pixels, above its name, in proportion."""
    factor = CELL / max(image.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    square = np.full((CELL, CELL, 3), PAPER, np.uint8)
    top, left = CELL - height, (CELL - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=interpolation)
    return square


def pair(system: System, path: Path, way: str) -> NDArray[np.uint8]:
    """A photograph, its overlay to the right, and what it is called below: uint8 [CELL+CAPTION,2*CELL+GAP,3].

    Raises UserError for a file that is no photograph.
    """
    pixels = read_photograph(path).pixels
    clean = partial(remove_small_regions, minimum_area=system.minimum_area)
    prediction = answer(system, pixels, (way,), clean)[way]
    canvas = Image.new("RGB", (2 * CELL + GAP, CELL + CAPTION), PAPER)
    canvas.paste(Image.fromarray(fitted(pixels)), (0, 0))
    canvas.paste(Image.fromarray(fitted(overlay(pixels, prediction.probability))), (CELL + GAP, 0))
    restored = "" if prediction.restored is None else ", restored"
    caption = f"{path.stem} {pixels.shape[1]}x{pixels.shape[0]}: {100 * prediction.crack_fraction(0.5):.2f}%{restored}"
    write(canvas, caption, (2, 2 * CELL - 2, CELL + CAPTION // 2), 14, centred=False)
    return np.asarray(canvas)


def page(pairs: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pairs in rows of COLUMNS on white: uint8 [H,W,3]."""
    height, width = pairs[0].shape[0] + GAP, pairs[0].shape[1] + 3 * GAP
    columns = min(COLUMNS, len(pairs))
    sheet = np.full((-(-len(pairs) // columns) * height - GAP, columns * width - 3 * GAP, 3), PAPER, np.uint8)
    for index, picture in enumerate(pairs):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def page_names(out: Path, count: int) -> list[Path]:
    """A file for each page of ``count`` photographs: FILE.png, FILE_2.png, ..."""
    pages = -(-count // PAGE)
    return [out, *(out.with_name(f"{out.stem}_{number}.png") for number in range(2, pages + 1))]


def write_pages(paths: Sequence[Path], out: Path, make: Callable[[Path], NDArray[np.uint8]]) -> list[Path]:
    """Write the pages as they fill; a photograph that cannot be read is told and left out. Returns the files."""
    names, pairs, written = iter(page_names(out, len(paths))), [], []
    with Progress(len(paths), "gallery") as bar:
        for number, path in enumerate(paths, start=1):
            try:
                pairs.append(make(path))
            except UserError as error:
                bar.write(f"left out: {error}")
            bar.update()
            if pairs and (len(pairs) == PAGE or number == len(paths)):
                written.append(next(names))
                save_png(written[-1], page(pairs))
                pairs.clear()
    return written


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.release.gallery", __doc__)
    add = parser.add_argument
    add("inputs", nargs="+", type=user_path, metavar="PHOTO", help="photographs, or folders of them")
    add("--weights", type=expanduser, metavar="FILE", help="unset: those that predict.py takes")
    add("--restore", choices=WAYS, default="auto", help="as for predict.py (auto)")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of the networks")
    add("--out", type=user_path, required=True, metavar="FILE.png", help="the first page; others get a number")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.out.suffix.lower() != ".png":
        raise UserError(f"--out {args.out}: not a PNG; give a name that ends in .png")
    paths = photographs(args.inputs)
    require_writable(args.out.parent, "--out")
    system = load_system(MAIN, args.weights, args.precision)
    written = write_pages(paths, args.out, partial(pair, system, way=args.restore))
    print(f"{len(paths)} photographs, {system.checkpoint.path} -> {', '.join(map(str, written))}")


if __name__ == "__main__":
    run_main(main)
