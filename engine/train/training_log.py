"""What a training run tells: means over each log interval, on screen and to the tracker."""

from __future__ import annotations

import time

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from contracts.errors import UserError
from engine.runtime.compute import TrainingCost
from engine.runtime.progress import Progress
from engine.train.stages import StepSchedule
from tracking import keys
from tracking.tracker import NullTracker

TERM_KEYS = {key.removeprefix("train/"): key for key in (*keys.LOSS_KEYS, keys.TRAIN_GRAD_NORM)}


def _spent(cost: TrainingCost) -> dict[str, float]:
    """What is known of a training's cost, by tracking key."""
    spent = {keys.TRAIN_SECONDS: cost.seconds, keys.TRAIN_MULTIPLY_ADDS: cost.multiply_adds}
    return {key: value for key, value in spent.items() if value is not None}


def not_finite(schedule: StepSchedule) -> UserError:
    """The error for a training that has run away; raised before anything of it is saved."""
    return UserError(
        f"the loss is not finite at step {schedule.step} (stage {schedule.name}); lower train.optimizer.lr, "
        "or set train.grad_clip; the last checkpoint is kept"
    )


class TrainingLog:
    """Collects values on the device and reads them only once per interval.

    The sums of every process belong to the training state, so that a resumed run logs the same numbers.

    Args:
        tracker: of the run.
        progress: its bar.
        fabric: means are taken over its processes.
        every: steps in an interval.
    """

    def __init__(self, tracker: NullTracker, progress: Progress, fabric: Fabric, every: int) -> None:
        self.tracker, self.progress, self.fabric, self.every = tracker, progress, fabric, every
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._waited = 0.0
        self._since = time.perf_counter()
        self._steps = 0

    @property
    def run_id(self) -> str | None:
        """The W&B run that is written to."""
        return self.tracker.run_id

    def waited(self, seconds: float) -> None:
        """Count time that the loop waited for data."""
        self._waited += seconds

    def step(self, schedule: StepSchedule, values: dict[str, Tensor], cost: TrainingCost) -> None:
        """Take in one step; report if an interval (or the first step) is over.

        Args:
            schedule: of the step.
            values: the loss and its terms by name, [].
            cost: of the training so far.
        """
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().double()
            self._counts[name] = self._counts.get(name, 0) + 1
        self._steps += 1
        if schedule.step == 1 or schedule.step % self.every == 0:
            means = self._flush(schedule, cost)
            shown = {name: means[name] for name in ("loss", "sr", "seg") if name in means}  # what fits on a line
            self.progress.update(schedule.step - self.progress.done, stage=schedule.name, **shown)

    def _flush(self, schedule: StepSchedule, cost: TrainingCost) -> dict[str, float]:
        means = {}
        for name in sorted(self._sums):
            mean = self.fabric.all_reduce(self._sums[name] / self._counts[name], reduce_op="mean")
            assert isinstance(mean, Tensor)
            means[name] = float(mean)
        if not np.isfinite(means["loss"]):
            raise not_finite(schedule)
        elapsed = max(time.perf_counter() - self._since, 1e-9)
        rates = {keys.TRAIN_LR: schedule.lr, keys.TRAIN_ALPHA: schedule.alpha, keys.TRAIN_BETA: schedule.beta}
        speed = {keys.TRAIN_STEPS_PER_SECOND: self._steps / elapsed, keys.TRAIN_DATA_WAIT: self._waited / elapsed}
        terms = {TERM_KEYS[name]: value for name, value in means.items()}
        self.tracker.log(terms | rates | speed | _spent(cost), schedule.step)
        self._sums, self._counts, self._waited, self._steps = {}, {}, 0.0, 0
        self._since = time.perf_counter()
        return means

    def validation(
        self, schedule: StepSchedule, values: dict[str, float], pictures: dict[str, np.ndarray], cost: TrainingCost
    ) -> None:
        """Record a validation, beside what the training has cost until then, and show its main figures.

        Args:
            schedule: of the step.
            values: figures by tracking key.
            pictures: uint8 RGB [H,W,3] by tracking key.
            cost: of the training so far.
        """
        self.tracker.log(values | _spent(cost), schedule.step)
        self.tracker.images(pictures, schedule.step)
        shown = {key: values[key] for key in values if key.endswith(("/dice", "/aiu", "/psnr"))}
        self.progress.write(
            f"step {schedule.step} validation  " + "  ".join(f"{key[4:]} {value:.4f}" for key, value in shown.items())
        )
        self._since = time.perf_counter()
        self._steps, self._waited = 0, 0.0

    def state_dict(self) -> dict:
        """The sums of this process since the last line, on the CPU."""
        return {"sums": {name: value.cpu() for name, value in self._sums.items()}, "counts": dict(self._counts)}

    def load_state_dict(self, states: list[dict] | dict, device: torch.device) -> None:
        """Take up what this process had.

        Args:
            states: as ``state_dict`` gave them, one for each rank (older files: the first one's alone).
            device: to put the sums on.
        """
        state = states[self.fabric.global_rank] if isinstance(states, list) else states
        self._sums = {name: value.to(device) for name, value in state["sums"].items()}
        self._counts = dict(state["counts"])
