"""Photographs of split lists in one small folder, to carry to a machine with a GPU: ``python -m tools.pack``."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import cpu_count
from pathlib import Path

import cv2
import numpy as np

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.files import write_bytes
from contracts.paths import user_path
from data.folders import find_pairs
from data.reading import Reading
from data.sources import FilePairs
from engine.build.data import looking_at
from engine.runtime.experiment import require_writable
from engine.runtime.progress import Progress

QUALITIES = (95, 92, 90, 88, 85, 82, 80, 75, 70, 65, 60, 50, 40, 30)
EXPLANATION = """\
The photographs are decoded and compressed again as JPEG, at the best quality that lets all of them fit into
--megabytes; masks are PNG files of one bit, read as a training would read them. OUT gets FOLDER/images, FOLDER/masks
and splits/, as in --root.

  python -m tools.pack splits/release_train.txt splits/release_val.txt --root datasets/real --out pack --megabytes 60
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.pack", __doc__, EXPLANATION)
    add = parser.add_argument
    add("lists", nargs="+", metavar="LIST", help="split lists, relative to the root or as paths")
    add("--root", type=user_path, default=Path("datasets/real"), metavar="DIR", help="(datasets/real)")
    add("--out", type=user_path, required=True, metavar="DIR", help="a new folder")
    add("--crack-values", type=int, nargs="+", metavar="V", help="of the masks, where 0 and 255 do not say it")
    add("--megabytes", type=float, default=60.0, metavar="MB", help="in all, of 10^6 bytes (60)")
    return parser.parse_args(arguments)


def jpeg(source: FilePairs, index: int, quality: int) -> bytes:
    """A photograph as a JPEG file."""
    pixels = cv2.cvtColor(source.load(index)[0], cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def one_bit(source: FilePairs, index: int) -> bytes:
    """A mask as a PNG file."""
    levels = source.load(index)[1] * np.uint8(255)
    return cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def best_quality(source: FilePairs, room: float, pool: ThreadPoolExecutor) -> int:
    """The best of QUALITIES at which the photographs fit, judged by a sample of them.

    Args:
        source: the photographs.
        room: bytes that they may need together.
        pool: threads that compress.

    Raises:
        UserError: where no quality is low enough.
    """
    count = len(source)
    sample = range(0, count, max(1, count // 100))
    for quality in QUALITIES:
        needed = sum(map(len, pool.map(partial(jpeg, source, quality=quality), sample))) * count / len(sample)
        if needed <= room:
            return quality
    raise UserError(f"--megabytes: {count} photographs need {needed / 1e6:.2g} MB at least; give more")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder; say how large it is and what it was made with."""
    args = parse(arguments)
    require_writable(args.out, "--out")
    if args.out.exists() and any(args.out.iterdir()):
        raise UserError(f"--out {args.out} is not empty; give a new folder")
    reading = Reading(crack_values=None if args.crack_values is None else tuple(args.crack_values))
    source = FilePairs(find_pairs(args.root, args.lists), reading=reading, progress=looking_at("--root"))
    indices = range(len(source))
    with ThreadPoolExecutor(cpu_count()) as pool, Progress(len(source), "packing") as bar:
        masks = list(pool.map(partial(one_bit, source), indices))
        total = sum(map(len, masks))
        quality = best_quality(source, 1e6 * args.megabytes - total, pool)
        photos = pool.map(partial(jpeg, source, quality=quality), indices)
        for pair, mask, photo in zip(source.pairs, masks, photos, strict=True):
            folder, _, stem = pair.name.rpartition("/")
            for kind, name, content in (("images", f"{stem}.jpg", photo), ("masks", f"{stem}.png", mask)):
                (args.out / folder / kind).mkdir(parents=True, exist_ok=True)
                write_bytes(args.out / folder / kind / name, content)
            total += len(photo)
            bar.update()
    (args.out / "splits").mkdir(exist_ok=True)
    for split_list in args.lists:
        shutil.copy(split_list if Path(split_list).is_file() else args.root / split_list, args.out / "splits")
    print(f"{len(source)} photographs at JPEG quality {quality}, {total / 1e6:.1f} MB: {args.out}")
    return 0


if __name__ == "__main__":
    run_main(main)
