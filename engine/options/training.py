"""Options of losses, stages and the optimiser."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from engine.options.networks import Component
from engine.options.section import FilePath, PrecisionName, Section

StageName = Literal["sr_true_kernel", "kernel", "sr", "joint", "seg", "seg_hr", "seg_bicubic", "blur_skip", "sr4ir"]


class Alpha(Section):
    """Weight of the region terms against the boundary term, a function of the joint step."""

    KIND: ClassVar[str] = "schedule"
    IDLE: ClassVar[dict[str, tuple[str, ...]]] = {"constant": ("floor",), "boundary_rising": ("start", "floor")}

    schedule: Literal["paper", "linear", "boundary_rising", "constant"] = Field(
        "paper",
        description="paper: -0.01 an epoch; linear: start to floor over the stage; boundary_rising: 1 - epoch/epochs, "
        "the share of the boundary term rises from 0 to 1",
    )
    start: float = Field(1.0, ge=0, le=1, description="alpha, the share of the region terms, at first")
    floor: float = Field(0.01, ge=0, le=1, description="the smallest alpha")


class SegmentationLoss(Component):
    """A segmentation loss by its type."""

    type: str = Field("boundary_combo", description="which loss: python -m tools.options --networks")


class Affinity(Component):
    """The feature affinity of network dsrl."""

    weight: float = Field(0.0, ge=0, description="of the loss; 0: off")


class Topology(Component):
    """A loss on how cracks hang together, beside the segmentation loss."""

    type: str = Field("none", description="none, soft_cldice or skeleton_recall")
    weight: float = Field(0.0, ge=0, description="of the loss in L_seg; 0: off")


class TaskDriven(Section):
    """What the stage sr4ir adds to the restoration's loss, and mixes for the segmentation (SR4IR, CVPR 2024)."""

    weight: float = Field(
        1.0, ge=0, description="of the distance, as the segmentation network sees it, to the HR image"
    )
    warmup: float = Field(0.1, ge=0, le=1, description="fraction of the stage, at first, without that distance")
    levels: Literal["deepest", "all"] = Field("deepest", description="maps of the encoder that are compared")
    cells: int = Field(8, ge=1, description="along each side of the mix of restored and HR images")


class Distillation(Section):
    """Features of a teacher that saw HR images, learned by the encoder that sees restored ones."""

    KIND: ClassVar[str] = "schedule"
    IDLE: ClassVar[dict[str, tuple[str, ...]]] = {"constant": ("final",)}

    weight: float = Field(0.0, ge=0, description="at the start of each stage; 0: off")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="of its decay over the stage")
    final: float = Field(0.0, ge=0, le=1, description="fraction of the weight that is left at the end of a stage")


class Loss(Section):
    """The joint loss (1-beta) L_SR + beta L_seg and its parts."""

    segmentation: SegmentationLoss = SegmentationLoss()
    aux_weight: float = Field(0.4, ge=0, description="weight of auxiliary outputs")
    alpha: Alpha = Alpha()
    beta: float = Field(0.3, ge=0, le=1, description="weight of segmentation in the joint loss")
    sr_weights: list[float] | None = Field(
        None, min_length=3, max_length=3, description="HR, LR and kernel terms; unset: 0.4, 0.4, 0.2"
    )
    fail_oriented: float = Field(0.0, ge=0, description="m of the fail-oriented SR pixel weights; 0: off")
    crack_oriented: float = Field(0.0, ge=0, description="m of the crack-oriented SR pixel weights; 0: off")
    oriented_from: int = Field(0, ge=0, description="steps of the whole training before these two come into force")
    affinity: Affinity = Affinity()
    topology: Topology = Topology()
    blur_weight: float = Field(
        0.0, ge=0, description="weight in L_seg of the blur that network_seg film_fpn estimates; 0: it is not taught"
    )
    teacher_weight: float = Field(0.0, ge=0, description="weight of the soft targets of a network that saw HR")
    distillation: Distillation = Distillation()
    task_driven: TaskDriven = TaskDriven()

    @property
    def needs_teacher(self) -> bool:
        """Whether anything is learned from a teacher."""
        return self.teacher_weight > 0 or self.distillation.weight > 0


class StageOptions(Section):
    """A phase of training. Length: iterations, or a fraction of total_iter, or (one stage) the rest."""

    name: StageName = Field(description="what trains, on what: engine/train/stages.py")
    iterations: int | None = Field(None, ge=0, description="length in steps")
    fraction: float | None = Field(None, ge=0, le=1, description="length as a fraction of total_iter")
    beta: float | None = Field(None, ge=0, le=1, description="instead of loss.beta in this stage")
    beta_end: float | None = Field(None, ge=0, le=1, description="beta runs linearly to this value")
    lr: float | None = Field(None, gt=0, description="instead of train.optimizer.lr in this stage")
    sr_lr_factor: float = Field(1.0, ge=0, description="learning rate of the SR network relative to the rest")

    @model_validator(mode="after")
    def _one_length(self) -> StageOptions:
        if self.iterations is not None and self.fraction is not None:
            raise ValueError("give iterations or fraction, not both")
        return self


class Optimizer(Section):
    IDLE: ClassVar[dict[str, tuple[str, ...]]] = {"sgd": ("betas",), "adam": ("momentum",), "adamw": ("momentum",)}

    type: Literal["adam", "adamw", "sgd"] = Field("adam", description="torch's optimiser")
    lr: float = Field(2e-5, gt=0, description="learning rate after the warm-up")
    betas: list[float] = Field([0.9, 0.999], min_length=2, max_length=2, description="of the moments; not for sgd")
    weight_decay: float = Field(0.0, ge=0, description="per step, times the learning rate")
    momentum: float = Field(0.9, ge=0, description="sgd only")
    fused: bool | None = Field(None, description="each weight in one pass; unset: on, but for sgd")


class Scheduler(Section):
    """Learning rate within each stage: warm-up, then constant or a decay to ``final`` times the rate."""

    IDLE: ClassVar[dict[str, tuple[str, ...]]] = {"constant": ("final",)}

    type: Literal["constant", "cosine", "linear"] = Field("constant", description="of the decay")
    warmup_iter: int = Field(0, ge=0, description="steps of the warm-up, in each stage")
    final: float = Field(0.0, ge=0, le=1, description="fraction of the rate that is left at the end of a stage")


class Train(Section):
    total_iter: int = Field(
        700000,
        ge=1,
        description="steps; may be another number with --auto_resume: stages that are passed keep their "
        "length, the rest is laid out anew",
    )
    stages: list[StageOptions] = Field(min_length=1)
    optimizer: Optimizer = Optimizer()
    scheduler: Scheduler = Scheduler()
    accumulate_grad_batches: int = Field(
        1, ge=1, description="micro-batches that a batch is taken in, for less memory; batch norm sees one at a time"
    )
    gradient_checkpointing: bool = Field(
        False, description="make KBPN's and DBPN's maps again in the backward pass: less memory, a third more time"
    )
    sharp_fraction: float = Field(
        0.0, ge=0, lt=1, description="fraction of each batch that is segmented sharp instead of restored"
    )
    compile: bool = Field(False, description="compile the networks with torch.compile; off where that fails")
    grad_clip: float | None = Field(None, gt=0, description="largest gradient norm; unset: no clipping")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="moving average of weights; 0: off")
    precision: PrecisionName = Field(
        "auto",
        description="of training and validation; auto: as a resumed run began, else bfloat16 on GPUs and "
        "CPUs that compute it natively",
    )
    teacher: FilePath | None = Field(None, description="weights of a model that saw HR images")


def sharp_of(fraction: float, samples: int) -> int:
    """How many samples are segmented sharp.

    Args:
        fraction: ``train.sharp_fraction``, in [0, 1).
        samples: that go through the networks together.

    Raises:
        ValueError: if the fraction is above 0, but takes none of them, or all.
    """
    sharp = round(fraction * samples)
    if fraction > 0 and not 0 < sharp < samples:
        took = "none" if sharp == 0 else "all"
        raise ValueError(
            f"train.sharp_fraction {fraction} takes {took} of the {samples} samples that are trained on together "
            "(batch_size, by processes and train.accumulate_grad_batches); give another fraction or larger batches"
        )
    return sharp
