"""Pieces of one group compared between the CPU and a device, in a process of their own.

``compare_pieces`` starts this module as that process, and starts it again behind a piece that brought it down.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from benchmarks.memory import MIB
from benchmarks.train_step import find_device
from tools.gpu_check.cases import GROUPS, Case
from tools.gpu_check.compare import differences, in_bfloat16
from tools.gpu_check.findings import FAILED, Failed, Figure, Finding, judged
from tools.gpu_check.processes import CutOff
from tools.gpu_check.setting import Setting

MARK = "finding: "  # before each JSON object, as libraries print lines of their own
UNUSABLE = 3  # exit code: the device answers no more after an error, and other pieces need another process


def examine(name: str, case: Case, device: torch.device) -> Finding:
    """Build and compare one piece; an exception is a finding too."""
    began, memory = time.perf_counter(), None if device.type == "cpu" else torch.get_device_module(device)
    torch.manual_seed(0)
    try:
        if memory is not None:
            memory.reset_peak_memory_stats(device)
        subject = case()
        figures = differences(subject, device)
        if subject.halves:
            figures.append(in_bfloat16(subject, device))
        if memory is not None:
            figures.append(Figure("peak MiB", memory.max_memory_allocated(device) / MIB))
    except Exception as error:
        kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
        return Finding(name, FAILED, time.perf_counter() - began, told=(kind + " ".join(str(error).split()))[:300])
    return judged(name, time.perf_counter() - began, figures)


def main(arguments: Sequence[str]) -> None:
    """Device, group and names of the pieces; ends early, with UNUSABLE, at a piece that left the device so."""
    name, group, *pieces = arguments
    device = find_device(name)
    warnings.simplefilter("ignore")
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    for piece in pieces:
        finding = examine(piece, GROUPS[group][piece], device)
        print(MARK + json.dumps(asdict(finding)), flush=True)
        if finding.state == FAILED and not answers(device):
            sys.exit(UNUSABLE)


def answers(device: torch.device) -> bool:
    """Whether a device still computes: some errors of a GPU stay with a process."""
    try:
        return torch.ones(1, device=device).sum().item() == 1
    except RuntimeError:
        return False


def compare_pieces(setting: Setting, group: str) -> None:
    """Tell a finding for each piece of a group.

    Args:
        setting: of the check.
        group: one of ``GROUPS``.

    Raises:
        CutOff: naming the piece that it happened in.
    """
    pieces = list(GROUPS[group])
    while pieces:
        log = f"{group} from {pieces[0]}"
        command = ["-m", "tools.gpu_check.pieces", setting.device, group, *pieces]
        try:
            ended = setting.call(log, *command, watch=partial(tell_new, setting, pieces))
        except CutOff:
            raise CutOff(f" in {pieces[0]}, with {len(pieces) - 1} more to come" if pieces else "") from None
        tell_new(setting, pieces, setting.log(log))
        if pieces and ended.code != UNUSABLE:
            setting.tell(Finding(pieces.pop(0), FAILED, ended.seconds, told=f"its process ended with {ended.told()}"))


def tell_new(setting: Setting, pieces: list[str], output: Path) -> bool:
    """Tell what the process has found of the pieces that are still to come, and take them from these."""
    *lines, _ = output.read_text("utf-8", "replace").split("\n")
    for line in lines:
        if line.startswith(MARK):
            finding = json.loads(line.removeprefix(MARK))
            if finding["name"] in pieces:
                pieces.remove(finding["name"])
                setting.tell(
                    Finding(**{**finding, "figures": tuple(Figure(**figure) for figure in finding["figures"])})
                )
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
