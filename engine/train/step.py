"""One training step's forward: restore, segment, loss - as a module, so that DDP can wrap it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.errors import ArgumentError, UserError
from contracts.records import DegradedBatch, JointOutput, LossReport, Restored, Segmented
from engine.options import StageOptions
from engine.runtime.precision import FLOAT32, Precision
from engine.train.stages import STAGE_SPECS, StageSpec, StepSchedule
from engine.train.task_driven import TaskDriven
from losses.features import relative_distance
from losses.joint import JointLoss
from models.base import WholeModel
from models.sr.bicubic import bicubic_enlargement


class Envelope:
    """Carries a step's inputs through wrappers that would take frozen records apart."""

    def __init__(self, batch: DegradedBatch, schedule: StepSchedule) -> None:
        self.batch, self.schedule = batch, schedule


class TrainStep(nn.Module):
    """Forward of one step.

    Args:
        model: that is trained.
        loss: of its outputs.
        teacher_weight: of the soft targets of a teacher (``set_teacher``).
        precision: of the networks.
        sharp: how many samples, the first, are segmented from sharp photographs where the others are restored. For the
            restoration they count as restored without an error. A step that sees every quality shows them all anyway.
        task_driven: how the stage ``sr4ir`` compares and mixes images.

    Raises:
        UserError: for ``sharp`` and a segmentation network that wants the blur kernel, which no sharp photograph has.
    """

    def __init__(
        self,
        model: WholeModel,
        loss: JointLoss,
        teacher_weight: float = 0.0,
        precision: Precision = FLOAT32,
        sharp: int = 0,
        task_driven: TaskDriven | None = None,
    ) -> None:
        super().__init__()
        if sharp and model.needs_kernel:
            raise UserError(
                "train.sharp_fraction: network_seg needs a kernel, which sharp photographs lack; set it to 0"
            )
        self.model, self.loss, self.sharp = model, loss, sharp
        self.teacher_weight, self.precision = teacher_weight, precision
        self.task_driven = task_driven or TaskDriven()
        self._teacher: list[WholeModel] = []  # in a list: not a part of the module

    def set_teacher(self, teacher: WholeModel | None) -> None:
        """Take a model whose answers on HR images, and features, are learned from (None: no teacher)."""
        self._teacher = [] if teacher is None else [teacher.eval().requires_grad_(False)]

    def teacher_state(self) -> dict[str, Tensor] | None:
        """The teacher's weights, to be kept in a training state."""
        return self._teacher[0].state_dict() if self._teacher else None

    def forward(self, envelope: Envelope) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimise (scalar) and its detached terms by name."""
        with self.precision.autocast(envelope.batch.lr.device.type):
            return self._loss(envelope)

    def _loss(self, envelope: Envelope) -> tuple[Tensor, dict[str, Tensor]]:
        batch, schedule, spec = envelope.batch, envelope.schedule, envelope.schedule.spec
        output, *others = self._of_every_quality(batch) if spec.sees == "every" else [self._run(batch, spec)]
        report = _mean([self._report(one, batch, schedule) for one in (output, *others)])
        total, terms = report.total, dict(report.terms)
        for name, weight, term in self._further(output, batch, schedule):
            total = total + weight * term
            terms[name] = term.detach()
        return total, terms

    def _report(self, output: JointOutput | Restored | Segmented, batch: DegradedBatch, at: StepSchedule) -> LossReport:
        """The loss of what this step's tasks gave."""
        tasks = [task for task, wanted in (("sr", trains_restoration(at.spec)), ("seg", at.spec.segments)) if wanted]
        sharp = len(batch.hr) if at.spec.sees == "sharp" else self.sharp
        return self.loss(output, batch, alpha=at.alpha, beta=at.beta, tasks=tasks, oriented=at.oriented, sharp=sharp)

    def _further(
        self, output: JointOutput | Restored | Segmented, batch: DegradedBatch, schedule: StepSchedule
    ) -> Iterator[tuple[str, float, Tensor]]:
        """Terms by name, with their weights, that need a second look at the images: the network's own, a teacher's."""
        spec = schedule.spec
        if schedule.task_driven > 0:
            assert isinstance(output, Restored)
            yield "task_driven", schedule.task_driven, self.task_driven.distance(self.model, output.sr, batch.hr)
        if not spec.segments or not self._teacher or spec.sees == "sharp":
            return
        assert not isinstance(output, Restored)  # this stage segments
        (teacher,), share = self._teacher, schedule.beta if schedule.name == "joint" else 1.0
        if self.teacher_weight > 0:
            with torch.no_grad():
                target = teacher.segment(batch.hr).logits.float().sigmoid()
            soft = functional.binary_cross_entropy_with_logits(output.logits.float(), target)
            yield "teacher", self.teacher_weight * share, soft
        if schedule.distillation > 0 and "seg" in spec.trains:
            if output.encoded is None:
                raise ArgumentError(f"{type(self.model.seg).__name__} hands on no features of an encoder to distil")
            with torch.no_grad():
                known = teacher.task_features(batch.hr)
            yield "distillation", schedule.distillation * share, relative_distance(output.encoded, known)

    def _run(self, batch: DegradedBatch, spec: StageSpec) -> JointOutput | Restored | Segmented:
        """As much of the model as this kind of stage needs; a frozen restoration without its graph."""
        kernel = batch.kernel if spec.true_kernel else None
        if spec.sees == "sharp":
            return self.model.segment(batch.hr)
        if self.sharp and spec.segments:
            return self._mixed(batch, spec)
        if spec.sees == "bicubic":
            return self.model.segment(bicubic_enlargement(batch.lr, self.model.scale))
        if not spec.segments:
            return self.model.restore(batch.lr, kernel)
        if trains_restoration(spec):
            return self.model(batch.lr, kernel)
        with torch.no_grad():
            restored = self.model.restore(batch.lr, kernel)
        return self.model.segment(restored.sr, restored.kernel, restored.features)

    def _of_every_quality(self, batch: DegradedBatch) -> list[Segmented]:
        """The segmentations of the restored images, of the true ones and of mixes, each a batch to its batch norm.

        None tells a blur: that of the photograph is not that of sharp parts.
        """
        with torch.no_grad():
            restored = self.model.restore(batch.lr).sr
        images = (restored, batch.hr, self.task_driven.mix(restored, batch.hr))
        return [replace(self.model.segment(image), blur=None) for image in images]

    def _mixed(self, batch: DegradedBatch, spec: StageSpec) -> JointOutput:
        """The first ``sharp`` photographs as they are and the others restored, segmented together."""
        sharp, lr = self.sharp, batch.lr[self.sharp :]
        if spec.sees == "bicubic":
            restored = Restored(bicubic_enlargement(lr, self.model.scale))
        else:
            with torch.set_grad_enabled(trains_restoration(spec)):
                restored = self.model.restore(lr)
        image = torch.cat([batch.hr[:sharp], restored.sr])
        kernel = None if restored.kernel is None else torch.cat([batch.kernel[:sharp], restored.kernel])
        segmented = self.model.segment(image)
        blur, encoded = segmented.blur, segmented.encoded
        return JointOutput(image, kernel, segmented.logits, segmented.aux, blur=blur, encoded=encoded)


def _mean(reports: list[LossReport]) -> LossReport:
    """The mean of several losses with the same terms; of one, itself."""
    if len(reports) == 1:
        return reports[0]
    terms = {name: torch.stack([report.terms[name] for report in reports]).mean() for name in reports[0].terms}
    return LossReport(torch.stack([report.total for report in reports]).mean(), terms)


def trains_restoration(spec: StageSpec) -> bool:
    """Whether any of the SR network's weights change."""
    return bool({"sr", "kernel"} & spec.trains)


def require_trainable(model: WholeModel, stages: list[StageOptions]) -> None:
    """Make sure that every stage trains something, by each of its turns, and can show it what it is to see.

    Args:
        model: to be trained.
        stages: of the training.

    Raises:
        UserError: for a stage of which the networks lack what it trains, and for mixes with sharp photographs where a
            network wants the blur kernel, which those lack.
    """
    by_group = model.param_groups()
    for index, stage in enumerate(stages):
        spec = STAGE_SPECS[stage.name]
        turns = spec.turns or (spec,)
        if not all(any(by_group[group] for group in turn.trains) for turn in turns):
            raise UserError(f"train.stages.{index}: these networks have nothing that stage {stage.name} trains")
        if model.needs_kernel and any(turn.sees == "every" for turn in turns):
            raise UserError(
                f"train.stages.{index}: network_seg needs a kernel, which the sharp photographs that stage "
                f"{stage.name} mixes in lack; choose another stage"
            )


def set_trainable(model: WholeModel, spec: StageSpec, train_batchnorm: bool = True) -> None:
    """Let exactly the parts of this stage train; the others keep their weights and statistics.

    Args:
        model: changed in place.
        spec: of the stage.
        train_batchnorm: False leaves the scales and shifts of the segmentation network's norms alone, as happened in
            the reference code.
    """
    for name, parameters in model.param_groups().items():
        for parameter in parameters:
            parameter.requires_grad_(name in spec.trains)
    model.train()
    model.sr.train(trains_restoration(spec))
    model.seg.train("seg" in spec.trains)
    if "skip" in spec.trains and model.skip_path is not None:
        model.skip_path.train()
    for parameter in model.frozen_parameters():
        parameter.requires_grad_(False)
    if not train_batchnorm:
        for layer in model.seg.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.requires_grad_(False)
