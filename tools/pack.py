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

from contracts.errors import UserError, run_main
from contracts.files import write_bytes
from contracts.paths import user_path
from data.folders import find_pairs
from data.images import read_image
from data.masks import read_mask
from data.pairing import Pair
from engine.progress import Progress

QUALITIES = (95, 92, 90, 88, 85, 82, 80, 75, 70, 65, 60, 50, 40, 30)
EXPLANATION = """\
The photographs are decoded and compressed again as JPEG, at the best quality that lets all of them fit into
--megabytes; masks are PNG files of one bit. OUT gets FOLDER/images, FOLDER/masks and splits/, as in --root.

  python -m tools.pack splits/release_train.txt splits/release_val.txt --root datasets/real --out pack --megabytes 60
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pack", description=__doc__, epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("lists", nargs="+", metavar="LIST", help="split lists, relative to the root or as paths")
    add("--root", type=user_path, default=Path("datasets/real"), metavar="DIR", help="(datasets/real)")
    add("--out", type=user_path, required=True, metavar="DIR", help="a new folder")
    add("--megabytes", type=float, default=60.0, metavar="MB", help="in all, of 10^6 bytes (60)")
    return parser.parse_args(arguments)


def jpeg(pair: Pair, quality: int) -> bytes:
    """The photograph of a pair as a JPEG file."""
    pixels = cv2.cvtColor(read_image(pair.image), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def one_bit(pair: Pair) -> bytes:
    """The mask of a pair as a PNG file."""
    levels = np.where(read_mask(pair.mask) > 0, 255, 0).astype(np.uint8)
    return cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def best_quality(pairs: Sequence[Pair], room: float, pool: ThreadPoolExecutor) -> int:
    """The best of QUALITIES at which a sample of the photographs, taken as all of them, needs at most ``room`` bytes.

    Raises UserError where none does.
    """
    sample = pairs[:: max(1, len(pairs) // 100)]
    for quality in QUALITIES:
        needed = sum(map(len, pool.map(partial(jpeg, quality=quality), sample))) * len(pairs) / len(sample)
        if needed <= room:
            return quality
    raise UserError(f"--megabytes: {len(pairs)} photographs need {needed / 1e6:.0f} MB at least; give more")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder; say how large it is and what it was made with."""
    chosen = parse(arguments)
    if chosen.out.exists() and any(chosen.out.iterdir()):
        raise UserError(f"--out {chosen.out} is not empty; give a new folder")
    pairs = find_pairs(chosen.root, chosen.lists, None, None, [])
    with ThreadPoolExecutor(cpu_count()) as pool, Progress(len(pairs), "packing") as bar:
        masks = list(pool.map(one_bit, pairs))
        room = 1e6 * chosen.megabytes - sum(map(len, masks))
        quality = best_quality(pairs, room, pool)
        total = sum(map(len, masks))
        for pair, mask, photo in zip(pairs, masks, pool.map(partial(jpeg, quality=quality), pairs), strict=True):
            folder, stem = chosen.out / pair.image.parent.parent.name, pair.image.stem
            for kind, name, content in (("images", f"{stem}.jpg", photo), ("masks", f"{stem}.png", mask)):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                write_bytes(folder / kind / name, content)
            total += len(photo)
            bar.update()
    (chosen.out / "splits").mkdir(exist_ok=True)
    for one in chosen.lists:
        shutil.copy(one if Path(one).is_file() else chosen.root / one, chosen.out / "splits")
    print(f"{len(pairs)} photographs at JPEG quality {quality}, {total / 1e6:.1f} MB: {chosen.out}")
    return 0


if __name__ == "__main__":
    run_main(main)
