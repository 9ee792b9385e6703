"""Parameters, multiply-adds and CPU time of whole systems as a Markdown table: ``python -m tools.sizes``."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.timing import timed
from contracts.command_line import module_parser
from contracts.errors import UserError, run_main
from contracts.markdown import table as markdown_table
from contracts.paths import user_path
from engine.build.models import build_model
from engine.options import Options
from engine.options.load import load_options
from engine.runtime.compute import MultiplyAdds
from engine.runtime.layout import channels_last
from engine.runtime.progress import Progress
from engine.train.stages import STAGE_SPECS
from models.base import WholeModel
from models.whole import count_parameters

PAPER = Path(__file__).resolve().parent.parent / "options" / "paper"
SYSTEMS = (
    "hr_pspnet",
    "bicubic_pspnet",
    "srcnet_segnet",
    "dsrl",
    "cssr_pspnet",
    "csbsr_pspnet",
    "csbsr_unet",
    "csbsr_crackformer",
    "csbsr_hrnet_ocr",
    "csbsr_pspnet_blur_skip",
)  # the rows of the comparison that differ in size
EXPLANATION = f"""\
One forward pass of one image in evaluation mode, from LR to the restored image and the crack probability; a
system that is trained on sharp images alone segments the HR image. Multiply-adds are those of convolutions and
matrix products that our code really does (KBPN's constant kernel maps cost it less than the dense
formulation). Time is the median of the runs after one to warm up.

Without FILE: {", ".join(SYSTEMS)} of options/paper/.
"""


@dataclass(frozen=True)
class Size:
    """Of one system.

    Args:
        sr: numbers that training can change in the super-resolution network.
        parameters: the same in all.
        multiply_adds: of one forward pass.
        seconds: of one image.
    """

    sr: int
    parameters: int
    multiply_adds: int
    seconds: float


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for a side or number of runs that measures nothing."""
    parser = module_parser("tools.sizes", __doc__, EXPLANATION)
    parser.add_argument("files", nargs="*", type=user_path, metavar="FILE", help="options files (unset: see below)")
    parser.add_argument("--side", type=int, default=56, help="side of the LR image in pixels (56: HR 224)")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each system")
    args = parser.parse_args(arguments)
    if args.side < 16 or args.runs < 1:
        raise UserError(f"--side {args.side} --runs {args.runs}: give a side of 16 or more and a run or more")
    return args


def sharp_only(options: Options) -> bool:
    """Whether the system never sees anything but HR images."""
    return all(STAGE_SPECS[stage.name].sees == "sharp" for stage in options.train.stages)


def measure(options: Options, side: int, runs: int) -> Size:
    """Build a system without its weights and run it on noise [1,3,side,side].

    Args:
        options: of the system.
        side: of the LR image in pixels.
        runs: timed runs.
    """
    torch.manual_seed(0)
    model: WholeModel = channels_last(build_model(options, pretrained=False).eval())
    sharp = sharp_only(options)
    side *= options.scale if sharp else 1
    image = torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last)
    run: Callable[[Tensor], object] = model.segment if sharp else model
    with torch.inference_mode():
        counter = MultiplyAdds()
        with counter.counting():
            run(image)
        seconds = [timed(lambda: run(image)) for _ in range(runs)]
    parameters = count_parameters(model)
    return Size(count_parameters(model.sr), parameters, counter.number, statistics.median(seconds))


def row(label: str, size: Size) -> tuple[str, ...]:
    """The cells of one line of the table."""
    millions = f"{size.parameters / 1e6:.2f}", f"{size.sr / 1e6:.2f}"
    return label, *millions, f"{size.multiply_adds / 1e9:.1f}", f"{1e3 * size.seconds:.0f}"


def main() -> None:
    args = parse()
    files = args.files or [PAPER / f"{name}.yml" for name in SYSTEMS]
    systems = [load_options(path) for path in files]  # all are read before the first is measured
    rows = []
    with Progress(len(files), "measuring") as bar:
        for path, options in zip(files, systems, strict=True):
            rows.append(row(f"`{path.stem}`", measure(options, args.side, args.runs)))
            bar.update()
    machine = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"LR {args.side}x{args.side}, float32, {machine}")
    head = ("system", "parameters / M", "of them SR / M", "multiply-adds / G", "CPU ms")
    print(f"\n{markdown_table(head, rows)}")


if __name__ == "__main__":
    run_main(main)
