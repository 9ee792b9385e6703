"""One training step's forward: restore, segment, loss - as a module, so that DDP can wrap it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.records import DegradedBatch, JointOutput, Restored, Segmented
from engine.stages import Kind, Moment
from losses.joint import JointLoss
from models.joint import JointModel


class Envelope:
    """Carries a step's inputs through wrappers that would take frozen records apart."""

    def __init__(self, batch: DegradedBatch, moment: Moment) -> None:
        self.batch = batch
        self.moment = moment


class TrainStep(nn.Module):
    """Forward of one step. teacher: a model that saw HR images, for soft targets, or None."""

    def __init__(self, model: JointModel, loss: JointLoss, teacher_weight: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.teacher_weight = teacher_weight
        self._teacher: list[JointModel] = []  # in a list: not a part of the module

    def set_teacher(self, teacher: JointModel | None) -> None:
        """Take a model whose answers on HR images become soft targets (None: no teacher)."""
        self._teacher = [] if teacher is None else [teacher.eval().requires_grad_(False)]

    def teacher_state(self) -> dict[str, Tensor] | None:
        """The teacher's weights, to be kept in a training state."""
        return self._teacher[0].state_dict() if self._teacher else None

    def forward(self, envelope: Envelope) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimise (scalar) and its detached terms by name."""
        batch, moment = envelope.batch, envelope.moment
        restored = self._restore(batch, moment.kind) if moment.kind.restores else None
        segmented = self._segment(batch, restored, moment.kind) if moment.kind.segments else None
        restores = bool({"sr", "kernel"} & moment.kind.trains)
        report = self.loss(
            _output(restored if restores else None, segmented),
            batch,
            alpha=moment.alpha,
            beta=moment.beta,
            parts=[part for part, wanted in (("sr", restores), ("seg", segmented is not None)) if wanted],
        )
        if segmented is None or not self._teacher or moment.kind.sharp_input or self.teacher_weight == 0:
            return report.total, report.terms
        soft = self._soft_loss(batch, segmented)
        weight = self.teacher_weight * (moment.beta if moment.name == "joint" else 1.0)
        return report.total + weight * soft, {**report.terms, "teacher": soft.detach()}

    def _restore(self, batch: DegradedBatch, kind: Kind) -> Restored:
        frozen = not {"sr", "kernel"} & kind.trains
        with torch.no_grad() if frozen else nullcontext():
            return self.model.restore(batch.lr, batch.kernel if kind.true_kernel else None)

    def _segment(self, batch: DegradedBatch, restored: Restored | None, kind: Kind) -> Segmented:
        if restored is None or kind.sharp_input:
            return self.model.segment(batch.hr)
        return self.model.segment(restored.sr, restored.kernel, restored.features)

    def _soft_loss(self, batch: DegradedBatch, segmented: Segmented) -> Tensor:
        with torch.no_grad():
            target = self._teacher[0].segment(batch.hr).logits.float().sigmoid()
        return functional.binary_cross_entropy_with_logits(segmented.logits.float(), target)


def _output(restored: Restored | None, segmented: Segmented | None) -> JointOutput | Restored | Segmented:
    """What this step's loss looks at."""
    if restored is None or segmented is None:
        return restored or segmented
    return JointOutput(restored.sr, restored.kernel, segmented.logits, segmented.aux)


def parts(model: JointModel) -> dict[str, list[nn.Parameter]]:
    """The parameters of a joint model by trainable part: "sr", "kernel" and "seg"."""
    predictors = list(model.sr.kernel_parameters()) if hasattr(model.sr, "kernel_parameters") else []
    known = {id(parameter) for parameter in predictors}
    network = [parameter for parameter in model.sr.parameters() if id(parameter) not in known]
    known |= {id(parameter) for parameter in network}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return {"sr": network, "kernel": predictors, "seg": rest}


def set_trainable(model: JointModel, kind: Kind, train_batchnorm: bool = True) -> None:
    """Let exactly the parts of this stage train; the others keep their weights and statistics.

    train_batchnorm False leaves the scales and shifts of the segmentation network's norms alone,
    as happened in the reference code.
    """
    for name, parameters in parts(model).items():
        for parameter in parameters:
            parameter.requires_grad_(name in kind.trains)
    model.train()
    model.sr.train(bool({"sr", "kernel"} & kind.trains))
    model.seg.train("seg" in kind.trains)
    if not train_batchnorm:
        for parameter in _norm_parameters(model.seg):
            parameter.requires_grad_(False)


def _norm_parameters(module: nn.Module) -> Iterator[nn.Parameter]:
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            yield from layer.parameters(recurse=False)
