"""The project's own commands on the device, as a user would type them; each check gives what it measured."""

from __future__ import annotations

import json
import math
import re
import statistics
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.joint_step import COMPACT
from benchmarks.train_step import PAPER
from data.images import read_image
from data.synthetic import SyntheticSource
from tools.gpu_check.findings import Failed, Figure, Skipped
from tools.gpu_check.processes import ROOT, Ended, run
from tools.gpu_check.setting import Setting
from tracking.keys import TRAIN_LOSS, TRAIN_STEPS_PER_SECOND
from tracking.metrics_log import read_metrics
from visualization.drawing import save_png

# Thirty steps make of the last bit's rounding as much as of an optimiser that lost its memory: 3% of the weights. Only
# with the same result each time does equality say anything.
DETERMINISTIC = """\
import os, runpy, sys
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
import torch
torch.use_deterministic_algorithms(True, warn_only=True)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FACTOR = 10.0  # two pairs of runs differ by different amounts, where some algorithm is not deterministic all the same
CPU = torch.device("cpu")


def train(setting: Setting) -> list[Figure]:
    """All stages of the quick start's training, with validation."""
    steps = 20 if setting.small else 150
    ended = setting.train("whole", steps, (f"val:val_freq={steps // 2}",)).require()
    if f" on {setting.device.type}" not in ended.out:
        raise Failed(f"the training did not run on {setting.device.type}")
    log = read_metrics(setting.experiment("whole").folder / "metrics.jsonl")
    losses = [entry[TRAIN_LOSS] for entry in log if TRAIN_LOSS in entry]
    if len(losses) != steps or not all(map(math.isfinite, losses)):
        raise Failed(f"{len(losses)} losses logged, of {steps}, the last {losses[-1:]}")
    rate = statistics.median(entry[TRAIN_STEPS_PER_SECOND] for entry in log if TRAIN_STEPS_PER_SECOND in entry)
    return [Figure("last loss", losses[-1]), Figure("steps/s", rate), *ended.peak]


def resume(setting: Setting) -> list[Figure]:
    """A training stopped by Ctrl-C that goes on, against two that are left alone, all with deterministic algorithms."""
    steps, changes = 30, ("train:stages=[{name: joint}]", "train:optimizer:lr=5e-4", "val:val_freq=0")
    log = setting.experiment("stopped").folder / "metrics.jsonl"
    train = partial(setting.train, steps=steps, changes=changes, before=("-c", DETERMINISTIC))
    for name in ("undisturbed", "again"):
        train(name).require()
    train("stopped", watch=lambda _: log.is_file() and log.read_bytes().count(b"\n") >= 3).require(130)
    resumed = train("stopped", more=("--auto_resume",)).require()
    step = re.search(r"resuming after step (\d+)", resumed.out)
    if step is None or not 0 < int(step[1]) < steps:
        raise Failed("nothing was left to resume")
    whole, again, stopped = (
        torch.load(setting.experiment(name).state, "cpu", weights_only=True)
        for name in ("undisturbed", "again", "stopped")
    )
    figures = [Figure("resumed after step", int(step[1]))]
    for section in ("trained", "ema", "optimizer"):
        usual, (apart, largest) = (
            distance(again[section], whole[section])[0],
            distance(stopped[section], whole[section]),
        )
        figures += [Figure(f"{section} apart", apart, FACTOR * usual), Figure("at most", largest)]
    return figures


def distance(state: dict, other: dict) -> tuple[float, float]:
    """Of two nested states: Euclidean distance relative to the norm of ``other``, and the largest difference."""
    first, second = flat(state), flat(other)
    return ((first - second).norm() / second.norm()).item(), (first - second).abs().max().item()


def flat(state: object) -> Tensor:
    """All tensors of a nested state in one vector, float64."""
    if isinstance(state, Tensor):
        return state.flatten().double()
    if isinstance(state, dict):
        state = [state[key] for key in sorted(state, key=str)]
    values = state if isinstance(state, list | tuple) else ()
    return torch.cat([torch.empty(0, dtype=torch.float64), *map(flat, values)])


def evaluate(setting: Setting) -> list[Figure]:
    """evaluate.py --degraded of the trained weights."""
    out = setting.folder / "evaluation"
    ended = setting.call("evaluate", ROOT / "evaluate.py", "--degraded", "--weights", setting.weights(), "--out", out)
    ended.require()
    figures = json.loads((out / "results.json").read_text())["degraded"]
    measured = [Figure(f"degraded {name}", figures[name]) for name in ("dice", "psnr")]
    if not all(math.isfinite(figure.value) for figure in measured):
        raise Failed(f"not finite: {'; '.join(map(str, measured))}")
    return [*measured, *ended.peak]


def predict(setting: Setting) -> list[Figure]:
    """predict.py on a drawn photograph of several tiles, here and on the CPU."""
    photograph, weights = setting.folder / "photograph.png", setting.weights()
    save_png(photograph, SyntheticSource(1, size=192 if setting.small else 512, seed=9, crack_free=0.0).load(0)[0])

    def probability(log: str, device: torch.device) -> tuple[NDArray, Ended]:
        out = setting.folder / log
        command = [ROOT / "predict.py", photograph, "--weights", weights, "-o", out, "--tile", 128]
        command += ["--precision", "float32"]
        ended = run(command, setting.log(log), device, setting.deadline).require()
        return read_image(out / "photograph_probability.png").astype(np.float64) / 255, ended

    (ours, ended), (on_cpu, _) = probability("predicted", setting.device), probability("predicted on the CPU", CPU)
    apart = np.abs(ours - on_cpu)
    # TF32 convolutions of the one, float32 of the other: logits apart by about 1e-3 of their size
    return [Figure("probability off by", apart.mean(), 5e-3), Figure("at most", apart.max()), *ended.peak]


def speed(setting: Setting, *more: str, file: Path = COMPACT) -> list[Figure]:
    """benchmarks.train_step --dense: what its table says of our step."""
    rounds = ["--rounds", 1, "--batch", 2, "--crop", 64, "--ceiling", 256] if setting.small else ["--rounds", 5]
    command = ["-m", "benchmarks.train_step", "-opt", file, "--device", setting.device.type, "--dense", *rounds, *more]
    ended = setting.call(f"speed of {file.stem}{''.join(more)}", *command)
    if ended.code and "out of memory" in ended.out:
        raise Skipped("the GPU has too little memory for the dense formulation at this size")
    ended.require()
    rows = [line.strip("| ").split(" | ") for line in ended.out.splitlines() if line.startswith("| ")]
    ours, dense = (dict(zip(rows[0], row, strict=True)) for row in rows[1:3])
    degradation = re.search(r"([\d.]+)% of a step", ended.out)
    assert degradation is not None
    columns = {
        "images/s": ours["images/s"],
        "times dense float32": dense["time over ours"],
        "% of matmul": ours["share of matmul"].strip("%"),
        "peak MiB": ours["peak MiB"],
        "degradation, % of a step": degradation[1],
    }
    return [Figure(label, float(value)) for label, value in columns.items() if value != "-"]


def speed_of_paper(setting: Setting, *more: str) -> list[Figure]:
    """The same of the paper's CSBSR, in the precision and layout of training on GPUs."""
    batch = () if setting.small else ("--batch", "16")
    return speed(setting, *batch, "--precision", "bfloat16", "--channels_last", *more, file=PAPER)


def speed_compiled(setting: Setting) -> list[Figure]:
    """Once more with torch.compile."""
    if setting.device.type == "cpu":
        raise Skipped("torch.compile is for GPUs, and takes minutes on a CPU")
    return speed_of_paper(setting, "--compile")
