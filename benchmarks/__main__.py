"""Speed and memory of our hot paths, each against a named alternative: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from benchmarks.case import SIDES, Unavailable
from benchmarks.ceiling import copy_rate, counted, matmul_rate
from benchmarks.memory import difference_of, peak_of
from benchmarks.registry import BENCHMARKS
from benchmarks.table import Row, check_target, describe_machine, markdown, write_json
from benchmarks.timing import alternate
from contracts.command_line import module_parser
from contracts.errors import UserError, lookup, run_main
from engine.runtime.memory import keep_freed_memory
from engine.runtime.progress import Progress

OUT = Path("results") / "benchmarks.json"
EXPLANATION = f"""\
names: {", ".join(BENCHMARKS)}

Both sides of a benchmark run in turn in this process, on as many threads as OMP_NUM_THREADS says; ratio is the median
time of the alternative over ours, so that above 1 ours is faster. The outputs of both are compared (gradients
too); peak memory is measured in a process for each side, beyond the inputs. Leave the machine alone meanwhile: a
ratio stands a busy machine, seconds do not.

  python -m benchmarks                                 everything, some minutes
  python -m benchmarks --only kbpn_compact --rounds 9  one of them, more rounds
  python -m benchmarks --small --out /tmp/small.json   seconds; sizes at which ratios mean nothing

More that prints tables of its own: python -m benchmarks.train_step --help (a whole joint step, also on a GPU),
python -m benchmarks.growth --help (how times grow with sizes), python -m benchmarks.mosaic --help (an orthomosaic of
gigapixels), python -m benchmarks.averaging --help (not time but quality: statistics of averaged weights).
docs/performance.md says what the rows mean.
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for an unknown benchmark or rounds that measure nothing."""
    parser = module_parser("benchmarks", __doc__, EXPLANATION)
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(BENCHMARKS), help="these alone (see below)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each (unset: 5)")
    parser.add_argument("--small", action="store_true", help="tiny sizes: tries the code, measures nothing")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"JSON file (unset: {OUT})")
    args = parser.parse_args(arguments)
    for name in args.only:
        lookup(BENCHMARKS, name, "benchmark")
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: give 1 or more")
    return args


def measure(name: str, rounds: int, small: bool) -> Row:
    """Run one benchmark. Raises Unavailable if its alternative is not installed."""
    case = BENCHMARKS[name](small)
    operations_ours, operations_alternative = (counted(partial(case.run, side))[1] for side in SIDES)
    difference = None if case.limit is None else difference_of(name, small)
    seconds_ours, seconds_alternative = alternate([case.run_ours, case.run_alternative], rounds)
    peak_ours, peak_alternative = (peak_of(name, side, small) for side in SIDES)
    between, rounding = (None, None) if difference is None else (difference.between, difference.rounding)
    return Row(
        name,
        case.what,
        case.ours,
        case.alternative,
        seconds_ours,
        seconds_alternative,
        seconds_alternative / seconds_ours,
        case.target,
        between,
        rounding,
        case.limit,
        peak_ours,
        peak_alternative,
        operations_ours,
        operations_alternative,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the exit code is 1 if a difference exceeds its limit."""
    args = parse(arguments)
    check_target(args.out)
    keep_freed_memory()  # as training and evaluation do
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    with Progress(len(args.only), "measuring") as bar:
        for name in args.only:
            try:
                rows.append(measure(name, args.rounds, args.small))
            except Unavailable as error:
                skipped[name] = str(error)
            bar.update()
    cpu = torch.device("cpu")
    machine = describe_machine(
        matmul_rate(cpu, torch.float32, 256 if args.small else 2048), copy_rate(cpu, 8 if args.small else 256)
    )
    content = {"small": args.small, "machine": asdict(machine), "rows": [*map(asdict, rows)], "skipped": skipped}
    write_json(args.out, content)
    print(markdown(rows, machine))
    for name, reason in skipped.items():
        print(f"left out {name}: {reason}", file=sys.stderr)
    wrong = [row.name for row in rows if not row.within]
    if wrong:
        print(f"different results: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    run_main(main)
