"""The options of a whole experiment, and where it departs from the reference."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import Field, field_validator, model_validator

from contracts.paths import EARLIER
from engine.options.data import Datasets, Degradation
from engine.options.networks import Joint, Network
from engine.options.reports import Evaluation, Logger, Paths, Postprocess, Validation, Wandb
from engine.options.section import Section
from engine.options.training import Loss, Train, sharp_of


class Corrections(Section):
    """Where we depart from the released reference code; unset entries follow ``compat``."""

    binary_masks: bool | None = Field(None, description="masks thresholded at half range (else grey)")
    reflected_borders: bool | None = Field(None, description="blur reflects at borders (else zeros)")
    supervised_kernel: bool | None = Field(None, description="kernel loss weight 0.2, summed (else 0)")
    vertical_flip: bool | None = Field(None, description="apply the declared vertical flip, p = 0.3")
    train_batchnorm: bool | None = Field(None, description="train batch-norm scales and shifts")
    hd_percentile_95: bool | None = Field(None, description="HD95 at percentile 95 (else 50)")
    empty_diagonal: bool | None = Field(None, description="one empty mask costs the diagonal (else the width)")
    mean_affinity: bool | None = Field(None, description="feature affinity averaged over the batch (else summed)")


@dataclass(frozen=True)
class InForce:
    """Every correction of ``Corrections``, and whether it is in force."""

    binary_masks: bool
    reflected_borders: bool
    supervised_kernel: bool
    vertical_flip: bool
    train_batchnorm: bool
    hd_percentile_95: bool
    empty_diagonal: bool
    mean_affinity: bool


class Options(Section):
    """A whole experiment."""

    name: str = Field(description="folder of the results below experiments/")
    seed: int = Field(1121, ge=0, description="of weights, crops and degradations")
    compat: Literal["corrected", "reference"] = Field("corrected", description="see corrections")
    corrections: Corrections = Corrections()
    scale: Literal[2, 4, 8] = Field(4, description="how many times larger a restored image is, by side")
    degradation: Degradation = Degradation()
    datasets: Datasets
    network_sr: Network | None = None
    network_seg: Network | None = None
    network: Network | None = Field(None, description="one network for both tasks (dsrl), instead of these two")
    joint: Joint = Joint()
    loss: Loss = Loss()
    train: Train
    val: Validation = Validation()
    evaluation: Evaluation = Evaluation()
    postprocess: Postprocess = Postprocess()
    logger: Logger = Logger()
    wandb: Wandb = Wandb()
    path: Paths = Paths()

    @field_validator("name")
    @classmethod
    def _folder(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.\-]*", name) or EARLIER in name:
            raise ValueError(
                f"it names a folder: give letters, digits, _, - and ., not first - or ., and without '{EARLIER}'"
            )
        return name

    @cached_property
    def in_force(self) -> InForce:
        """Which corrections are in force: each by its own entry, else by ``compat``."""
        chosen = {name: value for name, value in self.corrections if value is not None}
        return InForce(**{**dict.fromkeys(Corrections.model_fields, self.compat == "corrected"), **chosen})

    @model_validator(mode="after")
    def _agree(self) -> Options:
        crop = self.datasets.train.augmentation.crop
        if crop % self.scale:
            raise ValueError(
                f"datasets.train.augmentation.crop {crop} is not a multiple of scale {self.scale}; "
                f"try {crop // self.scale * self.scale}"
            )
        if self.degradation.kernel_side // 2 >= crop:
            raise ValueError(f"degradation.kernel_side {self.degradation.kernel_side} exceeds the crop {crop}")
        parts, batch = self.train.accumulate_grad_batches, self.datasets.train.loader.batch_size
        if batch % parts:
            raise ValueError(
                f"train.accumulate_grad_batches {parts} does not divide datasets.train.loader.batch_size {batch}"
            )
        sharp_of(self.train.sharp_fraction, batch // parts)
        self._check_networks()
        self._check_labels()
        beside = {
            "network": self.network is not None,
            "joint.handover": self.joint.handover,
            "joint.connection residual": self.joint.connection == "residual",
        }
        if self.train.sharp_fraction > 0 and any(beside.values()):
            what = next(name for name, used in beside.items() if used)
            raise ValueError(
                f"train.sharp_fraction segments images alone, {what} more than that; set sharp_fraction to 0"
            )
        self._check_teaching({stage.name for stage in self.train.stages})
        return self

    def _check_teaching(self, stages: Set[str]) -> None:
        loss = self.loss
        if loss.needs_teacher and self.train.teacher is None and "seg_hr" not in stages:
            name = "loss.teacher_weight" if loss.teacher_weight > 0 else "loss.distillation"
            raise ValueError(f"{name} needs train.teacher, or a stage seg_hr to learn from")
        if loss.distillation.weight > 0 and self.network is not None:
            raise ValueError(
                "loss.distillation compares what the encoder of network_seg sees, network has none of its own; "
                "set its weight to 0"
            )
        beside = "joint.handover" if self.joint.handover else "joint.connection residual"
        if "sr4ir" in stages and (self.joint.handover or self.joint.connection == "residual"):
            raise ValueError(f"stage sr4ir segments sharp images, too, which {beside} has no features of; leave it out")

    def _check_networks(self) -> None:
        if self.network is None:
            for name in ("network_sr", "network_seg"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name}: missing; add it")
            return
        if self.network_sr is not None or self.network_seg is not None:
            raise ValueError("network does both tasks; set network_sr and network_seg to null, or leave network out")
        for index, stage in enumerate(self.train.stages):
            if stage.name not in ("sr", "joint"):
                raise ValueError(f"train.stages.{index}: network trains in stages sr and joint; got {stage.name}")
        for name, used in (("handover", self.joint.handover), ("connection", self.joint.connection != "chain")):
            if used:
                raise ValueError(f"joint.{name} needs network_sr and network_seg; network has one encoder already")

    def _check_labels(self) -> None:
        labels, loss = self.datasets.train.labels, self.loss
        if labels is None and loss.segmentation.type == "image_label":
            raise ValueError("loss.segmentation image_label learns from datasets.train.labels; add them")
        if labels is not None and loss.segmentation.type != "image_label":
            raise ValueError(
                f"datasets.train.labels hide the masks that {loss.segmentation.type} needs; use image_label"
            )
        if labels is not None and (loss.fail_oriented > 0 or loss.crack_oriented > 0):
            raise ValueError("loss.fail_oriented and crack_oriented need masks, which datasets.train.labels hide")
        if labels is not None and loss.topology.weight > 0:
            raise ValueError("loss.topology needs masks, which datasets.train.labels hide; leave it out")
