"""How times grow with sizes: ``python -m benchmarks.growth`` fits an exponent to each and plots them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch

from benchmarks.kbpn import gradients_of
from benchmarks.surface_sweep import PERCENTILE, prediction
from benchmarks.table import check_target, describe_machine, write_json
from benchmarks.timing import Work, alternate
from contracts.command_line import module_parser
from contracts.errors import UserError, lookup, run_main
from contracts.files import replacing
from contracts.markdown import table as markdown_table
from engine.runtime.memory import keep_freed_memory
from engine.runtime.progress import Progress
from metrics.surface import SurfaceTarget, surface_sweep
from metrics.sweep import threshold_levels
from models.sr.kbpn import KBPN

OUT = Path("results") / "growth.json"
EXPLANATION = """\
For KBPN, a compact network (width 16) goes forward and backward in float32 on noise while one size grows and the others
stay. An exponent of 1 means proportional. It is the slope of a straight line through the logarithms, least
squares; where a constant share is left (start of a layer, the ground truth's transform) it lies below the
exponent that large sizes reach. Work: KBPN's is proportional to pixels (side squared) and to the batch, and more
than proportional to the stages, as each sees the features of all before it.
"""


@dataclass(frozen=True)
class Growth:
    """What grows in a measurement.

    Args:
        what: the computation.
        axis: the size that grows, with its unit.
        sizes: at which it is timed.
        small: sizes that only try the code.
        expected: exponent of large sizes.
        work: from a size to what is timed.
    """

    what: str
    axis: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    expected: float
    work: Callable[[int], Work]


@dataclass(frozen=True)
class Curve:
    """Median seconds at each size with the fitted exponent."""

    what: str
    axis: str
    sizes: list[int]
    seconds: list[float]
    exponent: float
    expected: float


def kbpn(side: int = 24, batch: int = 1, stages: int = 2) -> Work:
    """Forward and backward of a compact network on [batch,3,side,side]."""
    torch.manual_seed(0)
    network = KBPN(stages=stages, width=16, corrector_width=8, modulation_width=16, correction_gain=0.1)
    lr = torch.rand(batch, 3, side, side)
    return gradients_of(network, network, lr, torch.rand(batch, 3, 4 * side, 4 * side))


def sweep(thresholds: int, side: int = 256) -> Work:
    """Surface distances of one image at that many thresholds, evenly spaced in (0, 1)."""
    prob, mask = prediction(side)
    limits = np.arange(1, thresholds + 1) / (thresholds + 1)
    return lambda: surface_sweep(threshold_levels(prob, limits), SurfaceTarget(mask, PERCENTILE), range(thresholds))


GROWTHS = {
    "side": Growth("KBPN", "LR side, px", (16, 24, 32, 48, 64), (8, 12, 16), 2.0, lambda n: kbpn(side=n)),
    "batch": Growth("KBPN", "batch", (1, 2, 4, 8), (1, 2), 1.0, lambda n: kbpn(batch=n)),
    "stages": Growth("KBPN", "stages", (1, 2, 3, 4, 6), (1, 2), 1.0, lambda n: kbpn(stages=n)),
    "thresholds": Growth("surface sweep", "thresholds", (3, 9, 24, 49, 99), (3, 9), 1.0, sweep),
}


def measure(growth: Growth, rounds: int, small: bool) -> Curve:
    """Time all sizes in turn and fit."""
    sizes = list(growth.small if small else growth.sizes)
    seconds = alternate([growth.work(size) for size in sizes], rounds)
    return Curve(growth.what, growth.axis, sizes, seconds, exponent(sizes, seconds), growth.expected)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of the straight line through (log size, log seconds), least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def plot(curves: Sequence[Curve], title: str, file: Path) -> None:
    """One panel for each curve, both axes logarithmic, with the fitted line."""
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogFormatter, NullFormatter

    figure, panels = pyplot.subplots(1, len(curves), figsize=(3.4 * len(curves), 3.3), layout="constrained")
    for panel, curve in zip(np.atleast_1d(panels), curves, strict=True):
        sizes, times = np.array(curve.sizes, float), 1e3 * np.array(curve.seconds)
        level = np.exp(np.mean(np.log(times) - curve.exponent * np.log(sizes)))
        panel.loglog(sizes, level * sizes**curve.exponent, "--", color="0.6", label=f"size^{curve.exponent:.2f}")
        panel.loglog(sizes, times, "o", color="tab:blue", label="median")
        panel.set(title=curve.what, xlabel=curve.axis, ylabel="ms")
        panel.set_xticks(curve.sizes, [str(size) for size in curve.sizes])
        panel.xaxis.set_minor_formatter(NullFormatter())
        for set_formatter in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
            set_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        panel.legend(frameon=False)
    figure.suptitle(title, fontsize="small")
    with replacing(file) as target:
        figure.savefig(target, dpi=110, format="png")
    pyplot.close(figure)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Raises UserError for an unknown size or rounds that measure nothing."""
    parser = module_parser("benchmarks.growth", __doc__, EXPLANATION)
    names = ", ".join(GROWTHS)
    parser.add_argument("--only", nargs="+", metavar="SIZE", default=list(GROWTHS), help=f"of {names} (unset: all)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each (unset: 5)")
    parser.add_argument("--small", action="store_true", help="tiny sizes: tries the code, measures nothing")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"JSON; plot beside it (unset: {OUT})")
    args = parser.parse_args(arguments)
    for name in args.only:
        lookup(GROWTHS, name, "size")
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: give 1 or more")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    check_target(args.out)
    keep_freed_memory()
    curves = []
    with Progress(len(args.only), "measuring") as bar:
        for name in args.only:
            curves.append(measure(GROWTHS[name], args.rounds, args.small))
            bar.update()
    machine = describe_machine()
    write_json(args.out, {"small": args.small, "machine": asdict(machine), "curves": [*map(asdict, curves)]})
    picture = args.out.with_suffix(".png")
    plot(curves, str(machine), picture)
    rows = []
    for curve in curves:
        sizes, times = ", ".join(map(str, curve.sizes)), ", ".join(f"{1e3 * time:.3g}" for time in curve.seconds)
        rows.append((curve.what, curve.axis, sizes, times, f"{curve.exponent:.2f} ({curve.expected:g})"))
    print(markdown_table(("what", "against", "sizes", "ms", "exponent (of the work)"), rows))
    print(f"\nMachine: {machine}\nPlot: {picture}")


if __name__ == "__main__":
    run_main(main)
