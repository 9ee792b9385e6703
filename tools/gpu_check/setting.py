"""What a check is given: a device, a folder, an end of its time, and the project's commands to call there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.joint_step import COMPACT
from engine.runtime.experiment import Experiment
from tools.gpu_check.findings import Finding, Skipped
from tools.gpu_check.processes import ROOT, Ended, run

SIZES = (  # of a rehearsal
    (
        "datasets:train={type: synthetic, count: 6, seed: 1, size: 128, "
        "augmentation: {crop: 64}, loader: {batch_size: 2, workers: 0}}"
    ),
    "datasets:val={type: synthetic, count: 2, seed: 2, size: 64}",
    "network_seg:width=16",
    "evaluation:surface_step=20",
    "datasets:test={type: synthetic, count: 2, seed: 3, size: 128}",
    "evaluation:panels=1",
)
COUNTS = ("datasets:train:count=48", "datasets:val:count=4", "datasets:test:count=8")


@dataclass(frozen=True)
class Setting:
    """What a check is given.

    Args:
        device: where it computes.
        folder: where it works.
        deadline: until when, of time.monotonic().
        tell: called with what it finds.
    """

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

    def train(
        self,
        name: str,
        steps: int,
        changes: Sequence[str] = (),
        before: Sequence[str] = (),
        more: Sequence[str] = (),
        **how: Callable,
    ) -> Ended:
        """Train options/joint.yml shortened, below ``folder``/runs.

        Args:
            name: of the experiment.
            steps: of the training.
            changes: as --force_yml gives them.
            before: of the script on python's command line.
            more: arguments of the script.
            how: see ``processes.run``.
        """
        forced = (
            f"name={name}",
            f"path:experiments_root={self.folder / 'runs'}",
            f"train:total_iter={steps}",
            "logger:print_freq=1",
            *(SIZES if self.small else COUNTS),
            *changes,
        )
        command = (*before, ROOT / "train_joint.py", "-opt", COMPACT, *more, "--force_yml", *forced)
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
