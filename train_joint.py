"""Train blind super-resolution and crack segmentation together.

python train_joint.py -opt options/joint.yml
python train_joint.py -opt options/mine.yml --force_yml train:total_iter=2000 datasets:train:root=datasets/cracks
torchrun --nproc_per_node 2 train_joint.py -opt options/joint.yml

Ctrl-C ends the step, saves, and says how to go on; a second one stops at once.
"""

from __future__ import annotations

import argparse
from os.path import expanduser

from contracts.errors import run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-opt", type=expanduser, required=True, metavar="FILE", help="options file, such as options/joint.yml"
    )
    parser.add_argument(
        "--force_yml",
        nargs="+",
        default=[],
        metavar="A:B=C",
        help="change options of the file, such as train:total_iter=2000 datasets:train:batch_size=4",
    )
    parser.add_argument(
        "--auto_resume",
        action="store_true",
        help="go on from the last checkpoint of this experiment (without it an earlier run is moved aside)",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from engine.options.load import load_options

    options = load_options(arguments.opt, arguments.force_yml)  # a mistake shows before the slow imports
    from engine.train.run import train

    train(options, auto_resume=arguments.auto_resume)


if __name__ == "__main__":
    run_main(main)
