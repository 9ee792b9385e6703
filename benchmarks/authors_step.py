"""A joint training step of the authors' program and of ours, in turn: ``python -m benchmarks.authors_step``."""

from __future__ import annotations

import argparse
import gc
import io
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, TypeVar

import torch

from benchmarks.authors import GET_IT, AuthorsProgram, as_theirs, check_clone
from benchmarks.joint_step import ROOT, JointStep, load, on_device, ready_batch
from benchmarks.table import describe_machine
from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table as markdown_table
from engine.runtime.memory import keep_freed_memory
from engine.runtime.progress import Progress
from engine.train.ema import EMA
from models.whole import count_parameters

Batch = TypeVar("Batch")

PAPER = ROOT / "options" / "paper" / "csbsr_pspnet.yml"
PRECISIONS = {"ours, float32": torch.float32, "ours, bfloat16": torch.bfloat16}
AUTHORS = "the authors' program"
EXPLANATION = f"""\
Theirs is their own training loop, unchanged, from a clone of their repository ({GET_IT}):
forward, losses, backward, Adam, schedule. Ours is what the trainer does with a degraded batch under
{PAPER.relative_to(ROOT)}: forward, losses, backward, gradient norm, Adam, average of the weights. Both have the
same networks with random weights and the same images. Each runs in a process of its own with memory set as its program
sets it, in turn with the others; the first round is not counted.

  python -m benchmarks.authors_step --clone CSBSR
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for a folder that is no clone and numbers that measure nothing."""
    parser = module_parser("benchmarks.authors_step", __doc__, EXPLANATION)
    parser.add_argument("--clone", type=Path, required=True, metavar="DIR", help="clone of their repository")
    parser.add_argument("--threads", type=int, default=1, help="of each program (unset: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps of each (unset: 3)")
    parser.add_argument("--batch", type=int, default=1, help="images in a step (unset: 1)")
    parser.add_argument("--crop", type=int, default=224, help="HR side in pixels (unset: 224, the paper's)")
    args = parser.parse_args(arguments)
    if min(args.threads, args.repeats, args.batch) < 1:
        raise UserError("--threads, --repeats and --batch must be 1 or more")
    check_clone(args.clone)
    return args


class Handed(Generic[Batch]):
    """A data loader that hands out one batch each time that it is asked through ``asked``, and sends back the seconds
    until the loop comes for the next one."""

    def __init__(self, batch: Batch, asked: Connection) -> None:
        self.batch, self.asked = batch, asked

    def __len__(self) -> int:
        return 1  # their loop only tells the time left from it

    def __iter__(self) -> Iterator[Batch]:
        while self.asked.recv():
            gc.collect()
            began = time.perf_counter()
            yield self.batch
            self.asked.send(time.perf_counter() - began)


def authors(args: argparse.Namespace, pipe: Connection) -> None:
    """Process of their program: sends its number of parameters, then steps as ``Handed`` is asked to."""
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    batch = ready_batch(load(PAPER, crop=args.crop, batch=args.batch))
    with redirect_stdout(io.StringIO()):
        program = AuthorsProgram(args.clone, args.batch, args.crop)
        pipe.send(count_parameters(program.model))
        program.train(Handed(as_theirs(batch), pipe))


def ours(args: argparse.Namespace, pipe: Connection, precision: torch.dtype) -> None:
    """Process of ours, like ``authors``."""
    torch.set_num_threads(args.threads)
    keep_freed_memory()  # as training does
    options, cpu = load(PAPER, crop=args.crop, batch=args.batch), torch.device("cpu")
    step = JointStep(options, cpu, precision=precision)
    average = EMA(step.model, options.train.ema_decay)
    pipe.send(count_parameters(step.model))
    for batch in Handed(on_device(ready_batch(options), cpu, torch.channels_last), pipe):
        step(batch)
        average.update(step.model)


class Side:
    """A process that takes steps when asked. ``target`` is ``authors`` or ``ours``; size: parameters of its model."""

    def __init__(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.times: list[float] = []
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=target, args=(arguments[0], other, *arguments[1:]), daemon=True)
        self.process.start()
        other.close()
        self.size = self.answer()

    def answer(self) -> float:
        """What the process sends next. Raises UserError if it has ended."""
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            raise UserError(f"{self.name}: its process ended with code {code} (-9: out of memory); see above") from None

    def step(self) -> float:
        """Seconds of one step."""
        self.pipe.send(True)
        return self.answer()

    def stop(self) -> None:
        self.pipe.send(False)
        self.process.join()


def measure(sides: Sequence[Side], repeats: int) -> dict[str, list[float]]:
    """Seconds of every counted step of each side, all sides in turn."""
    times: dict[str, list[float]] = {side.name: [] for side in sides}
    with Progress((repeats + 1) * len(sides), "measuring") as bar:
        for number in range(repeats + 1):
            for side in sides:
                seconds = side.step()
                if number:
                    times[side.name].append(seconds)
                bar.update()
    return times


def table(seconds_by_program: dict[str, list[float]]) -> str:
    """Medians, all times, and how many times as fast as the first each is."""
    first = statistics.median(next(iter(seconds_by_program.values())))
    rows = []
    for name, seconds in seconds_by_program.items():
        middle = statistics.median(seconds)
        listed = ", ".join(f"{second:.2f}" for second in seconds)
        rows.append((name, f"{middle:.2f}", listed, f"{first / middle:.2f}"))
    return markdown_table(("program", "a step, s (median)", "all, s", "times as fast"), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    sides = [Side(AUTHORS, authors, args)]
    sides += [Side(name, ours, args, precision) for name, precision in PRECISIONS.items()]
    sizes = {side.name: side.size for side in sides}
    if len(set(sizes.values())) > 1:
        raise UserError(f"these are not the same networks: they have {sizes} parameters")
    times = measure(sides, args.repeats)
    for side in sides:
        side.stop()
    images = f"{args.batch} x HR {args.crop}x{args.crop}"
    print(f"{images}, {sides[0].size:,} parameters, {args.threads} thread(s)\n")
    print(table(times))
    print(f"\nMachine: {describe_machine()}")


if __name__ == "__main__":
    run_main(main)
