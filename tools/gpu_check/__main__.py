"""Try on a GPU everything that this project does on one: ``python -m tools.gpu_check``, in at most 8 minutes."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.table import describe_machine
from contracts.command_line import module_parser
from contracts.errors import UserError, lookup, run_main
from contracts.paths import user_path
from engine.build.checkpoint import default_device
from engine.runtime.progress import format_seconds
from tools.gpu_check import commands, findings
from tools.gpu_check.findings import FAILED, SKIPPED, Failed, Figure, Finding, Skipped, judged
from tools.gpu_check.pieces import compare_pieces
from tools.gpu_check.processes import CutOff
from tools.gpu_check.setting import Setting

LEAST = 5.0  # s: no check is begun with less
EXPLANATION = """\
networks, losses and steps compare pieces with the CPU: outputs and gradients in float32 (without TF32), off by at most
1e-4, or ten times as much as a disturbance of 1e-6 moves them; the same in float64, where little is left to rounding;
and bfloat16 autocast, whose outputs have to be float32 and finite. The other checks run the project's commands. A
check goes on where another failed; one that takes more than its share of the time is cut off. --out gets report.md
and gpu_check.json after each check, and the commands' output in logs/; an earlier report is moved aside.

Exit code: 0 nothing failed, 1 something did, 2 wrong call.

  python -m tools.gpu_check                                 everything
  python -m tools.gpu_check --only networks steps
  python -m tools.gpu_check --device cpu                    rehearsal on a CPU, at small sizes
"""


def single(setting: Setting, name: str, work: Callable[[Setting], list[Figure]]) -> None:
    """A check of one line."""
    began = time.monotonic()
    figures = work(setting)
    setting.tell(judged(name, time.monotonic() - began, figures))


COMMANDS = {  # with their share of the time in s
    "train": (commands.train, 75),
    "evaluate": (commands.evaluate, 60),
    "predict": (commands.predict, 60),
    "resume": (commands.resume, 120),
    "speed": (commands.speed, 60),
    "speed_of_paper": (commands.speed_of_paper, 90),
    "speed_compiled": (commands.speed_compiled, 180),
}
PIECES = {"networks": 100, "losses": 45, "steps": 75}
ORDER = ("train", "evaluate", "predict", *PIECES, "resume", "speed", "speed_of_paper", "speed_compiled")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ``device`` becomes a torch.device. Raises UserError without a GPU."""
    parser = module_parser("tools.gpu_check", __doc__, EXPLANATION)
    add = parser.add_argument
    add("--device", choices=("gpu", "cpu"), default="gpu", help="cpu: a rehearsal, at small sizes (unset: gpu)")
    add("--out", type=user_path, default=Path("experiments/gpu_check"), metavar="DIR", help="(experiments/gpu_check)")
    add("--minutes", type=float, default=8.0, help="for all of it (8); what does not fit in is skipped")
    add("--only", nargs="+", default=list(ORDER), metavar="NAME", help=f"of {', '.join(ORDER)}")
    args = parser.parse_args(arguments)
    for name in args.only:
        lookup(dict.fromkeys(ORDER), name, "check")
    if not args.minutes > 0:
        raise UserError(f"--minutes {args.minutes}: give more than 0")
    if args.device == "gpu" and default_device().type == "cpu":
        raise UserError("no CUDA device; --device cpu tries the script itself")
    args.device = default_device() if args.device == "gpu" else torch.device("cpu")
    return args


def machine(device: torch.device) -> str:
    """Processor and GPU."""
    if device.type == "cpu":
        return f"rehearsal without a GPU: {describe_machine()}"
    return f"{torch.get_device_module(device).get_device_name(device)}; {describe_machine()}"


def check(name: str, setting: Setting, share: float) -> None:
    """Make a check, whatever happens in it. share: s that it could have had, had there been enough left."""
    began = time.monotonic()
    try:
        if name in PIECES:
            compare_pieces(setting, name)
        else:
            single(setting, name, COMMANDS[name][0])
        return
    except CutOff as cut:
        short = setting.deadline - began < share - 1
        state, message = (SKIPPED if short else FAILED), f"cut off{cut}: {'all' if short else 'its'} time was up"
    except Skipped as reason:
        state, message = SKIPPED, str(reason)
    except Failed as reason:
        state, message = FAILED, str(reason)
    except Exception as error:  # the next check is made all the same
        state, message = FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    setting.tell(Finding(name, state, time.monotonic() - began, told=message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the checks in their order; each finding is printed and written at once."""
    args = parse(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # commands inherit it where it is ignored, as behind "&"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by an exception, so that no command is left behind
    folder = args.out.absolute()
    moved = findings.take_folder(folder)
    machine_name, began, results = machine(args.device), time.monotonic(), []
    end = began + 60 * args.minutes

    def tell(finding: Finding) -> None:
        results.append(finding)
        print(finding.line(), flush=True)
        findings.write(folder, machine_name, results, time.monotonic() - began)

    print(machine_name + ("" if moved is None else f"\nmoved the earlier report to {moved}"), flush=True)
    findings.write(folder, machine_name, results, 0.0)  # a folder without a report would be refused the next time
    for name in (name for name in ORDER if name in args.only):
        now, share = time.monotonic(), PIECES.get(name) or COMMANDS[name][1]
        if end - now < LEAST:
            tell(Finding(name, SKIPPED, 0.0, told=f"the {args.minutes:g} minutes are over"))
            continue
        print(f"{name}: {min(share, end - now):.0f} s at most, {format_seconds(end - now)} left", file=sys.stderr)
        check(name, Setting(args.device, folder, min(now + share, end), tell), share)
    print(f"{findings.summary(results)} in {format_seconds(time.monotonic() - began)}; {folder / findings.MARKDOWN}")
    return int(any(finding.state == FAILED for finding in results))


if __name__ == "__main__":
    run_main(main)
