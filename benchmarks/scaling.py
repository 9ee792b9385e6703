"""How a training step scales over processes, and an estimate for many GPUs: ``python -m benchmarks.scaling``."""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch.nn.parallel import DistributedDataParallel

from benchmarks.joint_step import JointStep, load, on_device, ready_batch, step_parser
from benchmarks.table import describe_machine
from benchmarks.timing import timed
from contracts.errors import UserError, run_main
from contracts.markdown import table as markdown_table
from engine.build.models import build_model
from engine.runtime.memory import keep_freed_memory
from models.whole import count_parameters

EXPLANATION = """\
Each process takes the joint step of the options on a batch of its own, on one thread (so that more processes get more
cores), and averages gradients with the others by gloo. The same number of processes is measured in several rounds in
turn, and the medians of their slowest process count. efficiency: images/s over as many times those of one process.

The estimate needs no GPU: a ring exchanges 2 (n-1)/n of the gradients' bytes over the slowest link. It prints the
efficiency if nothing of that is hidden behind the backward pass, and if all of it can be (two thirds of a step).

  python -m benchmarks.scaling
  python -m benchmarks.scaling -opt options/paper/csbsr_pspnet.yml --estimate --step 0.06 --links 8=370 64=50
"""


@dataclass(frozen=True)
class Timing:
    """Of one round: the slowest process's median step, and the exchange of all gradients alone, seconds."""

    step: float
    exchange: float


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for numbers that mean nothing."""
    parser = step_parser("benchmarks.scaling", __doc__, EXPLANATION, sizes=True)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], metavar="N", help="unset: 1 2")
    parser.add_argument("--steps", type=int, default=10, help="timed steps in a round (unset: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each number (unset: 3)")
    parser.add_argument("--estimate", action="store_true", help="only calculate, from --step and --links")
    parser.add_argument("--step", type=float, default=0.06, metavar="S", help="seconds of one GPU's step (unset: 0.06)")
    parser.add_argument(
        "--links",
        nargs="+",
        default=["8=370", "64=50"],
        metavar="N=GB/S",
        help="GPUs and the rate of the slowest link between them (unset: 8=370 64=50)",
    )
    args = parser.parse_args(arguments)
    if min(*args.processes, args.steps, args.rounds, len(args.processes)) < 1 or args.step <= 0:
        raise UserError("--processes, --steps, --rounds and --step must be above 0")
    args.links = [read_link(link) for link in args.links]
    return args


def read_link(text: str) -> tuple[int, float]:
    """``64=50`` -> 64 GPUs, 50 GB/s. Raises UserError for another form."""
    count, _, rate = text.partition("=")
    try:
        link = int(count), float(rate)
    except ValueError:
        link = 0, 0.0
    if min(link) <= 0:
        raise UserError(f"--links {text}: write GPUs=GB/s, such as 64=50")
    return link


def measure(args: argparse.Namespace, world: int) -> Timing:
    """One round: start ``world`` processes and time their steps."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = processes.get_context("spawn").SimpleQueue()
    processes.spawn(_process, (world, port, args, results), nprocs=world)
    return results.get()


def _process(rank: int, world: int, port: int, args: argparse.Namespace, results: SimpleQueue[Timing]) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Grad strides do not match")  # of 1x1 weights, where they mean nothing
    keep_freed_memory()
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=world)
    options = load(args.opt, crop=args.crop, batch=args.batch)
    cpu = torch.device("cpu")
    step, batch = JointStep(options, cpu), on_device(ready_batch(options), cpu, torch.channels_last)
    gradients = torch.zeros(count_parameters(step.model))
    if world > 1:
        step.module = DistributedDataParallel(step.module)
    step(batch)
    times = [
        statistics.median(timed(work) for _ in range(args.steps))
        for work in (lambda: step(batch), lambda: dist.all_reduce(gradients))
    ]
    slowest = torch.tensor(times)
    dist.all_reduce(slowest, dist.ReduceOp.MAX)
    if rank == 0:
        results.put(Timing(*slowest.tolist()))
    dist.destroy_process_group()


def measured_table(args: argparse.Namespace) -> str:
    """Seconds and efficiency for each number of processes, all measured in turn."""
    timings_by_world: dict[int, list[Timing]] = {world: [] for world in dict.fromkeys([1, *args.processes])}
    for _ in range(args.rounds):
        for world, timings in timings_by_world.items():
            timings.append(measure(args, world))
    alone = statistics.median(timing.step for timing in timings_by_world[1])
    rows = []
    for world, timings in timings_by_world.items():
        step, exchange = (
            statistics.median(getattr(timing, name) for timing in timings) for name in ("step", "exchange")
        )
        exchange_text = f"{1e3 * exchange:.1f}" if world > 1 else "-"
        rows.append((world, f"{1e3 * step:.0f}", exchange_text, f"{alone / step:.0%}"))
    head = ("processes", "step, ms", "exchange of gradients alone, ms", "efficiency")
    return f"{markdown_table(head, rows)}\n\nMachine: {describe_machine()}"


def estimated_table(size: float, step: float, links: Sequence[tuple[int, float]]) -> str:
    """Efficiency of a training on many GPUs that exchange gradients by rings.

    Args:
        size: of the gradients in bytes.
        step: seconds of one GPU's step.
        links: number of GPUs and rate of the slowest link in GB/s.
    """
    efficiencies = "efficiency, nothing hidden", "efficiency, hidden in the backward pass"
    rows = []
    for count, rate in links:
        exchange = 2 * (count - 1) / count * size / (1e9 * rate)
        exposed = max(0.0, exchange - step * 2 / 3)
        shares = (f"{step / (step + waited):.0%}" for waited in (exchange, exposed))
        rows.append((count, f"{rate:g}", f"{1e3 * exchange:.1f}", *shares))
    return markdown_table(("GPUs", "slowest link, GB/s", "exchange, ms", *efficiencies), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if not args.estimate:
        print(measured_table(args), end="\n\n")
    size = 4 * count_parameters(build_model(load(args.opt), pretrained=False))
    print(f"{args.opt.name}: {size / 1e6:.1f} MB of float32 gradients, {1e3 * args.step:g} ms a step")
    print(estimated_table(size, args.step, args.links))


if __name__ == "__main__":
    run_main(main)
