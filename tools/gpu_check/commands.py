"""The project's own commands on the device, as a user would type them; each check gives what it measured."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.joint_step import COMPACT
from benchmarks.train_step import PAPER
from data.images import read_image
from data.synthetic import SyntheticSource
from engine.experiment import Experiment
from tools.gpu_check.findings import Failed, Figure, Finding, Skipped
from tools.gpu_check.processes import ROOT, Ended, run
from tracking.drawing import save_png
from tracking.keys import TRAIN_LOSS, TRAIN_STEPS_PER_SECOND
from tracking.metrics_log import read_metrics

SIZES = (  # of a rehearsal
    "datasets:train={type: synthetic, count: 6, seed: 1, size: 128, crop: 64, batch_size: 2, workers: 0}",
    "datasets:val={type: synthetic, count: 2, seed: 2, size: 64}", "network_seg:width=16", "evaluation:surface_step=20",
    "datasets:test={type: synthetic, count: 2, seed: 3, size: 128}", "evaluation:panels=1",
)
COUNTS = ("datasets:train:count=48", "datasets:val:count=4", "datasets:test:count=8")
# An average of 30 steps apart, with nothing lost: random order of sums in float32 or bfloat16 alone. Of lost moments of
# the optimiser, another crop or other rates the weights show a hundred times as much.
APART = 1e-4
CPU = torch.device("cpu")
FACTOR = 10.0  # two pairs of runs differ by different amounts


@dataclass(frozen=True)
class Setting:
    """Where a check works, in which folder, until when (time.monotonic()), and whom it tells what it finds."""

    device: torch.device
    folder: Path
    deadline: float
    tell: Callable[[Finding], None]

    @property
    def small(self) -> bool:
        """Whether to work at the sizes of a rehearsal."""
        return self.device.type == "cpu"

    def log(self, name: str) -> Path:
        """The file of a command's output."""
        return self.folder / "logs" / f"{name}.txt"

    def call(self, log: str, *command: object, **how: Callable) -> Ended:
        """Run ``python command`` on the device."""
        return run(command, self.log(log), self.device, self.deadline, **how)

    def train(self, name: str, steps: int, *more: object, changes: tuple[str, ...] = (), **how: Callable) -> Ended:
        """Train options/joint.yml shortened, below ``folder``/runs."""
        chosen = (
            f"name={name}", f"path:experiments_root={self.folder / 'runs'}", f"train:total_iter={steps}",
            "logger:print_freq=1", *(SIZES if self.small else COUNTS), *changes,
        )
        command = (ROOT / "train_joint.py", "-opt", COMPACT, *more, "--force_yml", *chosen)
        return self.call(f"train {name}", *command, **how)

    def experiment(self, name: str) -> Experiment:
        """What ``train`` leaves."""
        return Experiment(self.folder / "runs" / name)

    def weights(self) -> Path:
        """Those of the check "train". Raises Skipped without them."""
        path = self.experiment("whole").latest
        if not path.is_file():
            raise Skipped("there are no weights of the check 'train'")
        return path


def train(setting: Setting) -> list[Figure]:
    """All stages of the quick start's training, with validation."""
    steps = 20 if setting.small else 150
    ended = setting.train("whole", steps, changes=(f"val:val_freq={steps // 2}",)).require()
    if f" on {setting.device.type}" not in ended.out:
        raise Failed(f"the training did not run on {setting.device.type}")
    log = read_metrics(setting.experiment("whole").folder / "metrics.jsonl")
    losses = [entry[TRAIN_LOSS] for entry in log if TRAIN_LOSS in entry]
    if len(losses) != steps or not all(map(math.isfinite, losses)):
        raise Failed(f"{len(losses)} losses logged, of {steps}, the last {losses[-1:]}")
    rate = statistics.median(entry[TRAIN_STEPS_PER_SECOND] for entry in log if TRAIN_STEPS_PER_SECOND in entry)
    return [Figure("last loss", losses[-1]), Figure("steps/s", rate), *ended.peak]


def resume(setting: Setting) -> list[Figure]:
    """A training that is stopped by Ctrl-C and goes on, against two that are left alone."""
    steps, changes = 30, ("train:stages=[{name: joint}]", "train:optimizer:lr=5e-4", "val:val_freq=0")
    for name in ("undisturbed", "again"):
        setting.train(name, steps, changes=changes).require()
    log = setting.experiment("stopped").folder / "metrics.jsonl"

    def far_enough(_: Path) -> bool:
        return log.is_file() and log.read_bytes().count(b"\n") >= 3

    setting.train("stopped", steps, changes=changes, watch=far_enough).require(130)
    resumed = setting.train("stopped", steps, "--auto_resume", changes=changes).require()
    step = re.search(r"resuming after step (\d+)", resumed.out)
    if step is None or not 0 < int(step[1]) < steps:
        raise Failed("nothing was left to resume")
    whole, again, stopped = (
        torch.load(setting.experiment(name).state, "cpu", weights_only=True)
        for name in ("undisturbed", "again", "stopped")
    )
    figures = [Figure("resumed after step", int(step[1]))]
    for part in ("trained", "ema", "optimizer"):
        usual, (apart, largest) = distance(again[part], whole[part])[0], distance(stopped[part], whole[part])
        limit = 0.0 if setting.device.type == "cpu" else max(APART, FACTOR * usual)
        figures += [
            Figure(f"{part} apart", apart, limit), Figure("largest difference", largest), Figure("two alike", usual)
        ]
    return figures


def distance(one: dict, other: dict) -> tuple[float, float]:
    """Of two nested states: Euclidean distance relative to the norm of ``other``, and the largest difference."""
    first, second = flat(one), flat(other)
    return ((first - second).norm() / second.norm()).item(), (first - second).abs().max().item()


def flat(state: object) -> Tensor:
    """All tensors of a nested state in one vector, float64."""
    if isinstance(state, Tensor):
        return state.flatten().double()
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return torch.cat([torch.empty(0, dtype=torch.float64), *map(flat, parts)])


def evaluate(setting: Setting) -> list[Figure]:
    """evaluate.py --degraded of the trained weights."""
    out = setting.folder / "evaluation"
    ended = setting.call("evaluate", ROOT / "evaluate.py", "--degraded", "--weights", setting.weights(), "--out", out)
    figures = json.loads((ended.require() and out / "results.json").read_text())["degraded"]
    chosen = [Figure(f"degraded {name}", figures[name]) for name in ("dice", "psnr")]
    if not all(math.isfinite(one.value) for one in chosen):
        raise Failed(f"not finite: {'; '.join(map(str, chosen))}")
    return [*chosen, *ended.peak]


def predict(setting: Setting) -> list[Figure]:
    """predict.py on a drawn photograph of several tiles, here and on the CPU."""
    photograph, weights = setting.folder / "photograph.png", setting.weights()
    save_png(photograph, SyntheticSource(1, size=192 if setting.small else 512, seed=9, crack_free=0.0).load(0)[0])

    def probability(log: str, device: torch.device) -> tuple[NDArray, Ended]:
        out = setting.folder / log
        command = [ROOT / "predict.py", photograph, "--weights", weights, "-o", out, "--tile", 128]
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
    ended = setting.call(f"speed of {file.stem}{''.join(more)}", *command).require()
    rows = [line.strip("| ").split(" | ") for line in ended.out.splitlines() if line.startswith("| ")]
    ours, dense = (dict(zip(rows[0], row, strict=True)) for row in rows[1:3])
    wanted = {
        "images/s": ours["images/s"], "times dense float32": dense["time over ours"],
        "% of matmul": ours["share of matmul"].strip("%"), "peak MiB": ours["peak MiB"],
        "degradation, % of a step": re.search(r"([\d.]+)% of a step", ended.out)[1],
    }
    return [Figure(what, float(value)) for what, value in wanted.items() if value != "-"]


def speed_of_paper(setting: Setting, *more: str) -> list[Figure]:
    """The same of the paper's CSBSR, in the precision and layout of training on GPUs."""
    batch = () if setting.small else ("--batch", "16")
    return speed(setting, *batch, "--precision", "bfloat16", "--channels_last", *more, file=PAPER)


def speed_compiled(setting: Setting) -> list[Figure]:
    """Once more with torch.compile."""
    if setting.device.type == "cpu":
        raise Skipped("torch.compile is for GPUs, and takes minutes on a CPU")
    return speed_of_paper(setting, "--compile")
