"""Evaluate a trained model on clean and degraded photographs.

python evaluate.py                                  all conditions, newest experiment, else the shipped weights
python evaluate.py --degraded                       clean and degraded inputs, side by side
python evaluate.py -opt options/joint.yml --weights FILE --clean
python evaluate.py --weights compact --degraded     the shipped weights, whatever was trained since
torchrun --nproc_per_node 2 evaluate.py             the processes share the photographs

Where the photographs that shipped weights are tested on are not on this machine, the drawn test set of
options/joint.yml stands in for them, and a line says so.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from os.path import expanduser

from contracts.errors import run_main
from contracts.paths import user_path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-opt", type=expanduser, metavar="FILE", help="options file; unset: those kept in the weights")
    parser.add_argument(
        "--weights",
        type=expanduser,
        metavar="FILE",
        help="weights, a shipped folder, or its name; unset: best, else latest, of the experiment that -opt names, or "
        "of the newest below experiments/; weights/compact, if there is none or all are older than that was made",
    )
    parser.add_argument("--hr", action="store_true", help="the original photographs: the upper bound")
    parser.add_argument("--clean", action="store_true", help="LR inputs made by bicubic reduction alone")
    parser.add_argument(
        "--degraded", action="store_true", help="LR inputs blurred as the options say, beside the clean ones"
    )
    parser.add_argument("--maps", action="store_true", help="keep every probability map, for pictures of compare.py")
    parser.add_argument(
        "--draws",
        type=int,
        metavar="K",
        help="degradations of each photograph, each drawn anew (unset: as the options)",
    )
    parser.add_argument("--out", type=user_path, metavar="DIR", help="results folder; unset: experiments/NAME/results")
    parser.add_argument(
        "--allow-training-photographs", action="store_true", help="also score photographs that were trained on"
    )
    parser.add_argument("--force_yml", nargs="+", default=[], metavar="A:B=C", help="change options")
    return parser.parse_args()


def chosen_conditions(arguments: argparse.Namespace) -> list[str]:
    """The conditions asked for; none asked for means those of the options."""
    wanted = {"hr": arguments.hr, "clean": arguments.clean or arguments.degraded, "degraded": arguments.degraded}
    return [name for name, asked in wanted.items() if asked]


def main() -> None:
    arguments = parse()
    from engine.build.checkpoint import find_checkpoint
    from engine.evaluate.run import evaluate
    from engine.evaluate.stand_in import with_test_set

    flags = ["evaluation:allow_training_photographs=true"] if arguments.allow_training_photographs else []
    flags += ["evaluation:maps=true"] if arguments.maps else []
    flags += [] if arguments.draws is None else [f"evaluation:draws={arguments.draws}"]
    checkpoint = find_checkpoint(arguments.opt, arguments.weights, arguments.force_yml + flags)
    if arguments.opt is None:
        options, told = with_test_set(checkpoint.options, checkpoint.path, arguments.force_yml)
        checkpoint = replace(checkpoint, options=options)
        if told is not None and os.environ.get("RANK", "0") == "0":
            print(told)
    conditions = chosen_conditions(arguments) or list(checkpoint.options.evaluation.conditions)
    evaluate(checkpoint, conditions, arguments.out)


if __name__ == "__main__":
    run_main(main)
