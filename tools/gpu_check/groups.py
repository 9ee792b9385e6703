"""A group of pieces compared in a process of its own, which is begun anew behind a piece that brought it down."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tools.gpu_check.cases import GROUPS
from tools.gpu_check.findings import FAILED, Figure, Finding
from tools.gpu_check.pieces import MARK, UNUSABLE
from tools.gpu_check.processes import CutOff
from tools.gpu_check.setting import Setting


def compare_pieces(setting: Setting, group: str) -> None:
    """Tell a finding for each piece of the group. Raises CutOff, which names the piece that it happened in."""
    left = list(GROUPS[group])
    while left:
        log = f"{group} from {left[0]}"
        command = ["-m", "tools.gpu_check.pieces", setting.device, group, *left]
        try:
            ended = setting.call(log, *command, watch=partial(tell_new, setting, left))
        except CutOff:
            raise CutOff(f" in {left[0]}, with {len(left) - 1} more to come" if left else "") from None
        tell_new(setting, left, setting.log(log))
        if left and ended.code != UNUSABLE:
            setting.tell(Finding(left.pop(0), FAILED, ended.seconds, told=f"its process ended with {ended.told()}"))


def tell_new(setting: Setting, left: list[str], output: Path) -> bool:
    """Tell what the process has found of the pieces that are ``left``, and take them from these."""
    *lines, _ = output.read_text("utf-8", "replace").split("\n")
    for line in lines:
        if line.startswith(MARK):
            found = json.loads(line.removeprefix(MARK))
            if found["name"] in left:
                left.remove(found["name"])
                setting.tell(Finding(**{**found, "figures": tuple(Figure(**one) for one in found["figures"])}))
    return False
