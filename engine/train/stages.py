"""Stages of training: pure functions of the step that say what trains, on what and with which weights.

The phases are those of the paper (Kondo & Ukita, IEEE TIM 2024): SR with the true kernel, kernel
predictors alone, the whole SR network, both networks; three for the segmentation network alone, of restored,
sharp or bicubically enlarged images; one for the blur skip, which is added to networks that are trained already; and
one in which the two networks learn by turns (SR4IR, CVPR 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.errors import UserError
from engine.options import Loss, StageOptions, Train
from losses.schedule import alpha_paper, alpha_rising, decayed


@dataclass(frozen=True)
class StageSpec:
    """What a stage of this name does.

    Attributes:
        trains: parts whose weights change ("sr": the SR network less its kernel predictors, "kernel": those
            predictors, "encoder": what a network for both tasks shares, "skip": the blur skip of a segmentation
            network that has one, "seg": the rest).
        segments: whether segmentation runs.
        true_kernel: the SR network is given the true kernel.
        sees: what the segmentation network is shown: the "restored" image, or, without an SR network that runs, the
            "sharp" HR image or the "bicubic" enlargement of the degraded one; or one after the other "every" quality,
            restored, sharp and a mix of both.
        compares: whether the restored image is also compared with the sharp one as the segmentation network sees them.
        turns: of a stage whose steps do different things by turns, what they do; the rest is then said of them all.
    """

    trains: frozenset[Literal["sr", "kernel", "encoder", "seg", "skip"]]
    segments: bool = False
    true_kernel: bool = False
    sees: Literal["restored", "sharp", "bicubic", "every"] = "restored"
    compares: bool = False
    turns: tuple[StageSpec, ...] = ()

    def at(self, inside: int) -> StageSpec:
        """What a step of the stage, counted from 1, does."""
        return self.turns[(inside - 1) % len(self.turns)] if self.turns else self


SR4IR = (
    StageSpec(frozenset({"sr", "kernel"}), compares=True),
    StageSpec(frozenset({"seg"}), segments=True, sees="every"),
)
STAGE_SPECS: dict[str, StageSpec] = {
    "sr_true_kernel": StageSpec(frozenset({"sr"}), true_kernel=True),
    "kernel": StageSpec(frozenset({"kernel"})),
    "sr": StageSpec(frozenset({"sr", "kernel", "encoder"})),
    "joint": StageSpec(frozenset({"sr", "kernel", "encoder", "seg", "skip"}), segments=True),
    "seg": StageSpec(frozenset({"seg", "skip"}), segments=True),
    "seg_hr": StageSpec(frozenset({"seg", "skip"}), segments=True, sees="sharp"),
    "seg_bicubic": StageSpec(frozenset({"seg", "skip"}), segments=True, sees="bicubic"),
    "blur_skip": StageSpec(frozenset({"skip"}), segments=True),
    "sr4ir": StageSpec(frozenset({"sr", "kernel", "seg"}), segments=True, turns=SR4IR),
}


@dataclass(frozen=True)
class StepSchedule:
    """Everything that depends on the step alone.

    Attributes:
        step: counted from 1.
        index: of the stage, from 0.
        name: of the stage.
        spec: what the step does: all steps of its stage, or those whose turn it is.
        alpha: weight of the region terms in the segmentation loss.
        beta: weight of the segmentation loss.
        oriented: whether the fail- and crack-oriented weights are in force.
        lr: learning rate of the segmentation network.
        sr_lr: that of the SR network.
        task_driven: weight of the task-driven perceptual loss; 0: off.
        distillation: weight of the distance from a teacher's features; 0: off.
    """

    step: int
    index: int
    name: str
    spec: StageSpec
    alpha: float
    beta: float
    oriented: bool
    lr: float
    sr_lr: float
    task_driven: float = 0.0
    distillation: float = 0.0


class TrainingSchedule:
    """The stages of a run laid out over its steps. ``at(step)`` is pure, so resuming is exact.

    Args:
        train: stages, total length and learning rates.
        loss: the weights that change with the step.
        images: number of training photographs, in which ``alpha`` counts its epochs.
        batch_size: samples per step over all processes together.
        passed: lengths of the first stages, of a resumed run that has them behind it.
    """

    def __init__(self, train: Train, loss: Loss, images: int, batch_size: int, passed: Sequence[int] = ()) -> None:
        self.total, self.stages, self.loss = train.total_iter, train.stages, loss
        self.optimizer, self.scheduler = train.optimizer, train.scheduler
        self.lengths = stage_lengths(self.stages, self.total, passed)
        self.segments = any(STAGE_SPECS[stage.name].segments for stage in self.stages)
        self.epoch_steps = images // batch_size + 1  # as the released code counts
        self.pass_steps = math.ceil(images / batch_size)  # steps of a pass over the images

    def index_at(self, step: int) -> tuple[int, int]:
        """The stage that ``step`` (1..total) falls in and the step within it, from 1."""
        inside = step
        for index, length in enumerate(self.lengths):
            if inside <= length:
                return index, inside
            inside -= length
        raise ValueError(f"step {step} lies beyond total_iter {self.total}")

    def at(self, step: int) -> StepSchedule:
        """Return all that depends on the step (counted from 1)."""
        index, inside = self.index_at(step)
        stage = self.stages[index]
        length = self.lengths[index]
        rate = (stage.lr or self.optimizer.lr) * self._decay(inside, length)
        spec = STAGE_SPECS[stage.name].at(inside)
        return StepSchedule(
            step=step,
            index=index,
            name=stage.name,
            spec=spec,
            alpha=self._alpha(index, inside),
            beta=self._beta(stage, inside, length),
            oriented=step > self.loss.oriented_from,
            lr=rate,
            sr_lr=rate * stage.sr_lr_factor,
            task_driven=self._task_driven(inside, length) if spec.compares else 0.0,
            distillation=self._distillation(inside, length),
        )

    def _decay(self, inside: int, length: int) -> float:
        warmup = min(self.scheduler.warmup_iter, length)
        if inside <= warmup:
            return inside / (warmup + 1)
        return decayed(self.scheduler.type, (inside - warmup - 1) / max(1, length - warmup), self.scheduler.final)

    def _task_driven(self, inside: int, length: int) -> float:
        chosen = self.loss.task_driven
        return chosen.weight if inside > round(chosen.warmup * length) else 0.0

    def _distillation(self, inside: int, length: int) -> float:
        chosen = self.loss.distillation
        return chosen.weight * decayed(chosen.schedule, (inside - 1) / max(1, length - 1), chosen.final)

    def _alpha(self, index: int, inside: int) -> float:
        alpha = self.loss.alpha
        if not STAGE_SPECS[self.stages[index].name].segments or alpha.schedule == "constant":
            return alpha.start
        if alpha.schedule == "paper":
            name = self.stages[index].name  # joint training in two stages (for beta, say) is one training
            before = sum(self.lengths[i] for i in range(index) if self.stages[i].name == name)
            return alpha_paper(before + inside, self.epoch_steps, start=alpha.start, floor=alpha.floor)
        if alpha.schedule == "boundary_rising":
            epochs = math.ceil(self.lengths[index] / self.pass_steps)
            return 1 - alpha_rising((inside - 1) // self.pass_steps, epochs)
        progress = (inside - 1) / max(1, self.lengths[index] - 1)
        return alpha.start + (alpha.floor - alpha.start) * progress

    def _beta(self, stage: StageOptions, inside: int, length: int) -> float:
        beta = self.loss.beta if stage.beta is None else stage.beta
        if stage.beta_end is None:
            return beta
        return beta + (stage.beta_end - beta) * (inside - 1) / max(1, length - 1)


def stage_lengths(stages: list[StageOptions], total: int, passed: Sequence[int] = ()) -> list[int]:
    """Steps of each stage; the one stage without a length takes the rest.

    Args:
        stages: of a training.
        total: its steps.
        passed: lengths that the first stages had, whatever they would be now; the others are made of what is left, the
            last one taking the rest if the one that would have taken it is passed.

    Raises:
        UserError: for lengths that do not sum to the total.
    """
    lengths: list[int | None] = [
        round(stage.fraction * total) if stage.fraction is not None else stage.iterations  # None: takes the rest
        for stage in stages
    ]
    open_stages = [index for index, length in enumerate(lengths) if length is None]
    if len(open_stages) > 1:
        names = ", ".join(f"train.stages.{index}" for index in open_stages)
        raise UserError(f"{names}: only one stage may take the rest; give the others iterations or fraction")
    if passed:
        lengths[: len(passed)] = passed
        if None not in lengths and stages[-1].iterations is None:
            lengths[-1] = None
    used = sum(length for length in lengths if length is not None)
    if used > total or (None not in lengths and used != total):
        if passed:
            raise UserError(
                f"train.total_iter {total}: the stages passed and those with iterations take {used} steps; "
                f"give {used}, or begin a new training under another name"
            )
        raise UserError(
            f"train.stages: the stages sum to {used} steps but train.total_iter is {total}; "
            "leave one stage without iterations to take the rest, or use fraction"
        )
    return [total - used if length is None else length for length in lengths]


def passed_stages(lengths: Sequence[int], step: int) -> list[int]:
    """Lengths of the stages that a step has behind it; the last stage is never passed.

    Args:
        lengths: of all stages, steps.
        step: that was taken last.
    """
    passed, end = [], 0
    for length in lengths[:-1]:
        end += length
        if end > step or end == sum(lengths):
            break
        passed.append(length)
    return passed
