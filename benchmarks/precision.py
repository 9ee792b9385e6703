"""What bfloat16 brings over float32 on this machine: ``python -m benchmarks.precision``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import torch

from benchmarks.joint_step import JointStep, load, on_device, ready_batch, step_parser
from benchmarks.table import describe_machine
from benchmarks.timing import Work, alternate, finisher
from benchmarks.train_step import PRECISIONS, find_device
from contracts.errors import UserError, run_main
from engine.build.models import build_model
from engine.options import Options
from engine.runtime.layout import channels_last
from engine.runtime.memory import keep_freed_memory

EXPLANATION = """\
Times a joint training step and the networks' answer to a photograph, with the networks in float32 and in bfloat16
by autocast, in turn. A ratio below 1 says that bfloat16 is the slower of both.

  python -m benchmarks.precision
  ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 python -m benchmarks.precision    as a CPU without AMX
  python -m benchmarks.precision -opt options/paper/csbsr_pspnet.yml --batch 1 --side 224 --rounds 3
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for a device or numbers that cannot be used."""
    parser = step_parser("benchmarks.precision", __doc__, EXPLANATION, sizes=True)
    parser.add_argument("--device", default="cpu", help="cpu (unset), cuda, cuda:1, ...")
    parser.add_argument("--side", type=int, default=448, help="HR side of the photograph in pixels (unset: 448)")
    parser.add_argument("--rounds", type=int, default=10, help="timed runs of each (unset: 10)")
    args = parser.parse_args(arguments)
    args.device = find_device(args.device)
    if args.rounds < 1 or args.side < 32:
        raise UserError(f"--rounds {args.rounds} --side {args.side}: give 1 or more rounds and 32 pixels or more")
    return args


def steps(options: Options, device: torch.device) -> list[Work]:
    """A joint step in each precision, on the same batch."""
    batch = on_device(ready_batch(options), device, torch.channels_last)
    return [partial(JointStep(options, device, precision=precision), batch) for precision in PRECISIONS.values()]


def answers(options: Options, device: torch.device, side: int) -> list[Work]:
    """The networks' answer to an LR photograph, side / scale pixels a side, in each precision."""
    torch.manual_seed(options.seed)
    model = channels_last(build_model(options, pretrained=False).eval()).to(device)
    lr = torch.rand(1, 3, side // options.scale, side // options.scale, device=device)

    @torch.inference_mode()
    def answer(precision: torch.dtype) -> torch.Tensor:
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            return model(lr).logits

    return [partial(answer, dtype) for dtype in PRECISIONS.values()]


def row(label: str, seconds: Sequence[float]) -> str:
    """A line of the table: milliseconds of each precision, and how many times as fast the second is."""
    single, half = seconds
    return f"| {label} | {1e3 * single:.0f} | {1e3 * half:.0f} | {single / half:.2f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    options = load(args.opt, crop=args.crop, batch=args.batch)
    keep_freed_memory()
    train, small = options.datasets.train, args.side // options.scale
    side = train.augmentation.crop
    works = {
        f"training step, {train.loader.batch_size} x HR {side}x{side}": steps(options, args.device),
        f"networks, LR {small}x{small} to HR {small * options.scale}x{small * options.scale}": answers(
            options, args.device, args.side
        ),
    }
    print(f"{args.opt.name} on {args.device}, {torch.get_num_threads()} threads; {describe_machine()}\n")
    print(f"| what | {', ms | '.join(PRECISIONS)}, ms | ratio |\n|---|---|---|---|")
    for label, ways in works.items():
        print(row(label, alternate(ways, args.rounds, finisher(args.device))), flush=True)


if __name__ == "__main__":
    run_main(main)
