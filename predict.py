"""Find the cracks in photographs of your own, and restore the small ones.

python predict.py photo.jpg                              results/photo_mask.png and more
python predict.py photo.jpg folder/ -o results/          files and folders
python predict.py folder/ --restore never                segment as they are: quick, for large photographs
python predict.py photo.jpg --weights experiments/joint/models/best.pth --threshold 0.3 --overwrite

Each photograph STEM gives, in the results folder:
  STEM_mask.png         cracks white, at the photograph's own size (a pixel that a crack runs through)
  STEM_overlay.png      the photograph with the cracks tinted and outlined
  STEM_probability.png  grey, 0 to 255 for 0 to 1, at the photograph's own size
  STEM_restored.png     the restored image, 4 times larger (the model's scale), if restored
  STEM_mask_x4.png      the mask of the restored image: use this one to measure widths and areas

Photographs of any size work in blended tiles. Memory, besides one tile in the network: about 0.5 GB for
each megapixel that is restored (0.8 GB if the model hands features over), 0.03 GB otherwise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from contracts.errors import run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path, metavar="PHOTO", help="photographs, or folders of them")
    parser.add_argument("-o", dest="out", type=Path, default=Path("results"), metavar="DIR", help="where to write (results)")
    parser.add_argument("-opt", metavar="FILE", help="options file; unset: the options kept in the weights")
    parser.add_argument("--weights", metavar="FILE", help="weights; unset: best, else latest, of the newest experiment")
    parser.add_argument(
        "--restore", choices=("auto", "always", "never"), default="auto",
        help="restore before segmenting; auto: up to 1.5 megapixels, since cracks in larger photographs "
        "are as many pixels wide as those the model was trained on",
    )
    parser.add_argument("--threshold", type=float, default=0.5, metavar="P", help="crack from this probability on (0.5)")
    parser.add_argument(
        "--tile", type=int, default=256, metavar="PX",
        help="side of a tile in pixels of the photograph before restoring (256); the segmentation sees "
        "tiles of 4 times that (the scale); smaller tiles need less memory",
    )
    parser.add_argument("--overlap", type=int, default=32, metavar="PX", help="overlap of tiles, blended (32)")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from engine.predict import Settings, predict

    settings = Settings(
        arguments.out, arguments.restore, arguments.threshold, arguments.tile, arguments.overlap, arguments.overwrite
    )
    predict(arguments.inputs, settings, arguments.opt, arguments.weights)


if __name__ == "__main__":
    run_main(main)
