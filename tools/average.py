"""The mean of two weights of one architecture, of which one was trained on from the other: ``python -m tools.average``.

M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: what was learnt anew stays, and what was known
before is not lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from os.path import expanduser
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.paths import user_path
from engine.build.seen import PHOTOGRAPHS
from engine.runtime.checkpoint import load_file, save_atomic
from engine.runtime.experiment import require_writable

EXPLANATION = """\
The result has the options of SECOND, and counts as trained on what either was trained on. Statistics of batch norm are
averaged as well.

  python -m tools.average weights/compact experiments/compact_light/models/latest.pth \\
      --out experiments/compact_mean/models/latest.pth
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = module_parser("tools.average", __doc__, EXPLANATION)
    add = parser.add_argument
    add("first", type=expanduser, metavar="FIRST", help="weights: a file, or a folder of shipped ones")
    add("second", type=expanduser, metavar="SECOND", help="weights that were trained on from these")
    add("--share", type=float, default=0.5, metavar="S", help="of SECOND in the mean, between 0 and 1 (0.5)")
    add("--out", type=user_path, required=True, metavar="FILE.pth", help="a new file")
    return parser.parse_args(arguments)


def mean_of(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """The mean of two models' tensors, in float32; whole numbers are those of ``second``.

    Args:
        first: tensors by name.
        second: tensors of the same names and shapes.
        share: of ``second`` in the mean, in (0,1).

    Raises:
        UserError: for tensors that only one of them has, or has in another shape.
    """
    odd = sorted(first.keys() ^ second.keys())
    odd += [name for name in first.keys() & second.keys() if first[name].shape != second[name].shape]
    if odd:
        raise UserError(f"{len(odd)} tensors differ in name or shape (first: {odd[0]}); give two of one architecture")
    return {
        name: torch.lerp(first[name].float(), value.float(), share) if value.is_floating_point() else value
        for name, value in second.items()
    }


def seen_by(first: dict[str, Any], second: dict[str, Any]) -> dict[str, list[str]]:
    """The digests of the photographs that either was trained on or chosen by, by what they were used for."""
    seen = (first.get(PHOTOGRAPHS, {}), second.get(PHOTOGRAPHS, {}))
    return {use: sorted({digest for by_use in seen for digest in by_use.get(use, ())}) for use in seen[0] | seen[1]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the mean; say of what."""
    args = parse(arguments)
    if not 0 < args.share < 1:
        raise UserError(f"--share {args.share}: give a number between 0 and 1, such as 0.5")
    if args.out.exists():
        raise UserError(f"--out {args.out} exists; give a new file")
    require_writable(args.out.parent, "--out")
    first, second = (load_file(path, "options", "step", "meta") for path in (args.first, args.second))
    model = mean_of(first["model"], second["model"], args.share)
    meta = {**second["meta"], PHOTOGRAPHS: seen_by(first["meta"], second["meta"])}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rest = {name: second[name] for name in ("options", "step")}
    save_atomic({"model": model, **rest, "meta": meta}, Path(args.out))
    print(f"{1 - args.share:g} of {args.first} and {args.share:g} of {args.second}: {args.out}")


if __name__ == "__main__":
    run_main(main)
