"""Compare finished experiments: differences with 95 % intervals, by metric, condition and kind of photograph.

Every system is LABEL=FOLDER[,FOLDER...]: folders that evaluate.py was run on, several for trainings of the same
recipe with other seeds; FOLDER+FOLDER are the folds of a cross-validation. The first system is the reference that the
others are set against. FOLDER:classical takes the classical baseline that was scored beside the model;
wandb:ENTITY/PROJECT/RUN_ID stands for the folder of a W&B run.

python compare.py bicubic=experiments/cfd_bicubic joint=experiments/cfd_joint
python compare.py --condition degraded bicubic=experiments/b_s1,experiments/b_s2 joint=experiments/j_s1,experiments/j_s2
python compare.py a=experiments/a b=experiments/b c=experiments/c --all-pairs --out comparisons/abc

Results of other photographs, degradations, draws or rules are refused. A tie means that zero lies inside the interval.
"""

from __future__ import annotations

import argparse

from contracts.errors import run_main
from contracts.paths import user_path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", metavar="LABEL=FOLDER", help="systems; the first is the reference")
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        choices=("hr", "clean", "degraded"),
        help="input to compare on; may be repeated (unset: all that every system was evaluated under)",
    )
    parser.add_argument(
        "--metric",
        nargs="+",
        default=[],
        metavar="NAME",
        help="columns of per_image.csv, or iou_pooled, precision_pooled, recall_pooled; the first one is broken down "
        "by data set, crack width and blur (unset: iou and others)",
    )
    parser.add_argument("--all-pairs", action="store_true", help="compare every system with every other")
    parser.add_argument(
        "--groups",
        type=user_path,
        metavar="FILE",
        help="table of dataset, stem and group: photographs of one group are drawn together (unset: splits/groups.tsv "
        "of the test photographs, if there is one)",
    )
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="of bootstrap and permutations")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of both (0)")
    parser.add_argument(
        "--out", type=user_path, metavar="DIR", help="folder for Markdown, CSV, LaTeX, JSON and pictures"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from comparison.run import run

    run(
        arguments.systems,
        arguments.condition,
        arguments.metric,
        all_pairs=arguments.all_pairs,
        groups=arguments.groups,
        resamples=arguments.resamples,
        seed=arguments.seed,
        out=arguments.out,
    )


if __name__ == "__main__":
    run_main(main)
