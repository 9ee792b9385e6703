"""Images/s of a joint training step: ``python -m benchmarks.train_step``, on a CPU or a GPU."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.ceiling import counted, matmul_rate
from benchmarks.dense_kbpn import DenseKBPN
from benchmarks.joint_step import ROOT, JointStep, load, on_device, ready_batch, step_parser
from benchmarks.memory import MIB
from benchmarks.timing import Work, alternate, finisher
from contracts.errors import UserError, run_main
from contracts.markdown import table as markdown_table
from contracts.records import DegradedBatch
from engine.build.data import build_degradation
from engine.options import Options
from engine.runtime.memory import keep_freed_memory
from models.checkpointing import checkpoint_gradients
from models.sr.kbpn import KBPN

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PAPER = ROOT / "options" / "paper" / "csbsr_pspnet.yml"
EXPLANATION = f"""\
A step is forward, backward, gradient norm and optimiser step of the joint stage on a batch that is ready on the
device; with --dense also the same step with KBPN in its dense formulation in float32 and the default layout, in
turn with ours. Degrading the batch, which training does before the step on the same device, is timed apart. Work is
counted in the step as it runs without --compile: convolutions and matrix products, forward and backward. The ceiling
is a product of large square matrices of the step's precision.

  python -m benchmarks.train_step                                                    the compact model, here
  python -m benchmarks.train_step -opt {PAPER.relative_to(ROOT)} --batch 2
  python -m benchmarks.train_step -opt {PAPER.relative_to(ROOT)} --device cuda --batch 16 \\
      --precision bfloat16 --channels_last --compile --dense
"""


@dataclass(frozen=True)
class Speed:
    """Of one way to take the step.

    Args:
        label: of the way.
        seconds: median of a step.
        images: in a step.
        peak: MiB, None where it is not known.
        operations: floating-point operations of one step.
    """

    label: str
    seconds: float
    images: int
    peak: float | None
    operations: int


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ``device`` becomes a torch.device. Raises UserError for one that is not here."""
    parser = step_parser("benchmarks.train_step", __doc__, EXPLANATION, sizes=True)
    parser.add_argument("--device", default="cpu", help="cpu (unset), cuda, cuda:1, ...")
    parser.add_argument("--precision", choices=list(PRECISIONS), default="float32", help="bfloat16: by autocast")
    parser.add_argument("--compile", action="store_true", help="compile the model with torch.compile")
    parser.add_argument("--gradient_checkpointing", action="store_true", help="as train.gradient_checkpointing")
    parser.add_argument("--channels_last", action="store_true", help="images channels last, as weights always are")
    parser.add_argument("--rounds", type=int, default=10, help="timed steps of each way (unset: 10)")
    parser.add_argument("--ceiling", type=int, metavar="SIDE", help="of the matrices (unset: 2048; 8192 on a GPU)")
    parser.add_argument("--dense", action="store_true", help="also the dense formulation of KBPN in float32")
    args = parser.parse_args(arguments)
    args.device = find_device(args.device)
    args.ceiling = args.ceiling or (2048 if args.device.type == "cpu" else 8192)
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: give 1 or more")
    return args


def find_device(name: str) -> torch.device:
    """The device of that name. Raises UserError if torch knows none or cannot use it."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {name}: not usable here ({reason}); give cpu or another") from None
    return device


def ways(args: argparse.Namespace, options: Options) -> dict[str, tuple[JointStep, DegradedBatch]]:
    """The steps to time by label, ours first, each with its batch on the device."""
    batch = ready_batch(options)
    ours = JointStep(options, args.device, precision=PRECISIONS[args.precision])
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    if args.gradient_checkpointing:
        checkpoint_gradients(ours.model.sr)
    extras = [name for name in ("compile", "channels_last", "gradient_checkpointing") if getattr(args, name)]
    steps = {", ".join(["ours", args.precision, *extras]): (ours, on_device(batch, args.device, layout))}
    if args.dense:
        dense = JointStep(options, args.device)
        if not isinstance(dense.model.sr, KBPN):
            raise UserError("--dense: the options have no network_sr of type kbpn")
        dense.model.sr = DenseKBPN(dense.model.sr)
        steps["dense, float32"] = (dense, on_device(batch, args.device, torch.contiguous_format))
    return steps


def measure(args: argparse.Namespace, options: Options) -> list[Speed]:
    """Count, time and weigh every way."""
    steps = ways(args, options)
    works = [partial(step, batch) for step, batch in steps.values()]
    operations = [counted(work)[1] for work in works]  # before compilation: counting sees no fused code
    if args.compile:
        ours = next(iter(steps.values()))[0]
        for network in (ours.model.sr, ours.model.seg):  # as train.compile does
            network.compile(dynamic=False)
    seconds = alternate(works, args.rounds, finisher(args.device))
    peaks = [peak(work, args.device) for work in works]
    images = options.datasets.train.loader.batch_size
    measured = zip(steps, seconds, peaks, operations, strict=True)
    return [Speed(label, time, images, memory, work) for label, time, memory, work in measured]


def degradation_seconds(args: argparse.Namespace, options: Options) -> float:
    """Median time in which a batch on the device is degraded, as the trainer does it before each step."""
    batch = on_device(ready_batch(options), args.device, torch.channels_last)
    degrade = build_degradation(options, "train")
    work = partial(degrade, batch.hr, batch.name, options.seed, (0,) * len(batch.name))
    return alternate([work], args.rounds, finisher(args.device))[0]


def peak(work: Work, device: torch.device) -> float | None:
    """MiB held at most by tensors on the device in a step, weights and other ways' weights included.

    None on a CPU, where this process keeps what earlier steps freed; ``python -m benchmarks`` measures it there.
    """
    if device.type == "cpu":
        return None
    memory = torch.get_device_module(device)
    memory.reset_peak_memory_stats(device)
    work()
    return memory.max_memory_allocated(device) / MIB


def markdown(speeds: Sequence[Speed], ceiling: float) -> str:
    """The table; ratio is that of each way's time to ours."""
    rows = []
    for speed in speeds:
        rate = speed.operations / speed.seconds
        row = {
            "step": speed.label,
            "ms": f"{1e3 * speed.seconds:.1f}",
            "images/s": f"{speed.images / speed.seconds:.2f}",
            "time over ours": f"{speed.seconds / speeds[0].seconds:.2f}",
            "peak MiB": "-" if speed.peak is None else f"{speed.peak:.0f}",
            "counted GFLOP": f"{speed.operations / 1e9:.1f}",
            "TFLOP/s": f"{rate / 1e12:.3f}",
            "share of matmul": f"{rate / ceiling:.0%}",
        }
        rows.append(row)
    return markdown_table(list(rows[0]), [list(row.values()) for row in rows])


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    options = load(args.opt, crop=args.crop, batch=args.batch)
    keep_freed_memory()
    ceiling = matmul_rate(args.device, PRECISIONS[args.precision], args.ceiling)
    speeds = measure(args, options)
    batch_size, side = options.datasets.train.loader.batch_size, options.datasets.train.augmentation.crop
    name = args.device if args.device.type == "cpu" else torch.get_device_module(args.device).get_device_name()
    print(f"{args.opt.name}: {batch_size} x HR {side}x{side} on {name}, torch {torch.__version__},")
    print(f"{torch.get_num_threads()} threads; {args.precision} matmul {ceiling / 1e12:.3f} TFLOP/s\n")
    print(markdown(speeds, ceiling))
    seconds = degradation_seconds(args, options)
    print(f"\ndegradation of the batch: {1e3 * seconds:.1f} ms, {seconds / speeds[0].seconds:.1%} of a step of ours")


if __name__ == "__main__":
    run_main(main)
