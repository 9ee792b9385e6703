"""The options of an experiment: every key, its type, its default and what it means.

Unknown keys, wrong types and contradictions are refused before anything is built. Options of a
network are the keyword arguments of its class, so a new network needs no entry here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

StageName = Literal["sr_true_kernel", "kernel", "sr", "joint", "seg", "seg_hr", "blur_skip"]
Condition = Literal["hr", "clean", "degraded"]


class Section(BaseModel):
    """Base of all sections: strict types, no unknown keys, immutable after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class Degradation(Section):
    """How a sharp photograph becomes a low-resolution one: a preset, or one's own ordered steps."""

    preset: str | None = Field("kondo_ukita", description="kondo_ukita, field or clean")
    steps: list[dict[str, Any]] | None = Field(None, description="own steps instead of a preset")
    kernel_side: int = Field(21, ge=3, description="side of the blur kernel in pixels, odd")

    @model_validator(mode="after")
    def _one_of_both(self) -> Degradation:
        if self.steps is not None and "preset" in self.model_fields_set and self.preset is not None:
            raise ValueError("give either preset or steps (set preset: null to use steps)")
        if self.kernel_side % 2 == 0:
            raise ValueError(f"kernel_side {self.kernel_side} is even; give an odd side such as 21")
        return self


class Dataset(Section):
    """Photographs with masks: a folder pair, or the embedded generator."""

    type: Literal["synthetic", "folder"] = "synthetic"
    root: str | None = Field(None, description="folder with the images and masks (type folder)")
    lists: str | list[str] | None = Field(None, description="split list files, one FOLDER/STEM a line")
    part: Literal["train", "test"] | None = Field(None, description="half of a set that has both")
    count: int | None = Field(None, ge=1, description="images to draw (synthetic) or to use (folder)")
    size: int = Field(448, ge=32, description="side of a synthetic image in pixels")
    seed: int = Field(0, ge=0, description="seed of the synthetic images, and of a test set's degradation")
    frozen: str | None = Field(None, description="rendered test set of tools.freeze to read LR images from")

    @model_validator(mode="after")
    def _complete(self) -> Dataset:
        if self.type == "folder" and self.root is None:
            raise ValueError("type folder needs root: the folder that holds images and masks")
        if self.type == "synthetic" and self.count is None:
            raise ValueError("type synthetic needs count: the number of images to draw")
        if self.type == "synthetic" and (self.root or self.lists):
            raise ValueError("root and lists belong to type folder; set type: folder to read photographs")
        return self


class TrainDataset(Dataset):
    """Photographs to train on, with the crops and flips made of them."""

    crop: int = Field(224, ge=16, description="side of the HR crop in pixels, a multiple of the scale")
    batch_size: int = Field(6, ge=1, description="samples per step over all processes together")
    workers: int = Field(1, ge=0, description="loader processes per training process")
    horizontal_flip: float = Field(0.5, ge=0, le=1)
    vertical_flip: float | None = Field(None, ge=0, le=1, description="unset: 0.3, or 0 with the reference")
    rotate: bool = Field(False, description="rotate by multiples of 90 degrees")
    crack_crop_probability: float = Field(0.0, ge=0, le=1, description="crops centred near a crack pixel")
    photometric: float = Field(0.0, ge=0, le=1, description="strength of brightness/contrast/gamma changes")
    cache_mb: int = Field(1024, ge=0, description="memory for decoded photographs, in MiB")
    holdout: float = Field(0.0, ge=0, lt=1, description="part kept for validation if datasets.val is absent")


class Datasets(Section):
    train: TrainDataset
    val: Dataset | None = None
    test: Dataset | None = None


class Network(BaseModel):
    """A network by its type; every other key is an argument of its class."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    weights: str | None = Field(None, description="file of weights to start from")

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the class."""
        return dict(self.model_extra or {})


class Joint(Section):
    """How the two networks are connected."""

    normalise: Literal["instance", "local", "fixed", "none"] = Field(
        "instance", description="before segmentation; local: instance, in windows of the training crop's side"
    )
    clip: bool = Field(True, description="clip the restored image to [0,1] at inference, as the paper does")
    handover: bool = Field(False, description="hand the SR network's features over beside the image")


class Alpha(Section):
    """Weight of the region terms against the boundary term, a function of the joint step."""

    schedule: Literal["paper", "linear", "rising", "constant"] = Field(
        "paper", description="paper: -0.01 an epoch; linear: start to floor over the stage; rising: 0 to 1"
    )
    start: float = Field(1.0, ge=0, le=1)
    floor: float = Field(0.01, ge=0, le=1)


class Loss(Section):
    """The joint loss (1-beta) L_SR + beta L_seg and its parts."""

    segmentation: str = Field("boundary_combo", description="name of the segmentation loss")
    segmentation_args: dict[str, Any] = Field(default_factory=dict, description="arguments of that loss")
    aux_weight: float = Field(0.4, ge=0, description="weight of auxiliary outputs")
    alpha: Alpha = Alpha()
    beta: float = Field(0.3, ge=0, le=1, description="weight of segmentation in the joint loss")
    sr_weights: list[float] | None = Field(
        None, min_length=3, max_length=3, description="HR, LR and kernel terms; unset: 0.4, 0.4, 0.2"
    )
    fail_oriented: float = Field(0.0, ge=0, description="m of the fail-oriented SR pixel weights; 0: off")
    crack_oriented: float = Field(0.0, ge=0, description="m of the crack-oriented SR pixel weights; 0: off")
    oriented_from: int = Field(0, ge=0, description="steps of the whole training before these two come into force")
    affinity: float = Field(0.0, ge=0, description="weight of the feature affinity of network dsrl; 0: off")
    affinity_args: dict[str, Any] = Field(default_factory=dict, description="arguments of that loss")
    teacher_weight: float = Field(0.0, ge=0, description="weight of the soft targets of a network that saw HR")


class Stage(Section):
    """A phase of training. Length: iterations, or share of total_iter, or (one stage) the rest."""

    name: StageName
    iterations: int | None = Field(None, ge=0)
    share: float | None = Field(None, ge=0, le=1)
    beta: float | None = Field(None, ge=0, le=1, description="instead of loss.beta in this stage")
    beta_end: float | None = Field(None, ge=0, le=1, description="beta runs linearly to this value")
    lr: float | None = Field(None, gt=0, description="instead of train.optimizer.lr in this stage")
    sr_lr_factor: float = Field(1.0, ge=0, description="learning rate of the SR network relative to the rest")

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if self.iterations is not None and self.share is not None:
            raise ValueError("give iterations or share, not both")
        return self


class Optimizer(Section):
    type: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(2e-5, gt=0)
    betas: list[float] = Field([0.9, 0.999], min_length=2, max_length=2)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, description="sgd only")


class Scheduler(Section):
    """Learning rate within each stage: warm-up, then constant or a decay to ``final`` times the rate."""

    type: Literal["constant", "cosine", "linear"] = "constant"
    warmup_iter: int = Field(0, ge=0)
    final: float = Field(0.0, ge=0, le=1)


class Train(Section):
    total_iter: int = Field(700000, ge=1)
    stages: list[Stage] = Field(min_length=1)
    optimizer: Optimizer = Optimizer()
    scheduler: Scheduler = Scheduler()
    grad_clip: float | None = Field(None, gt=0, description="largest gradient norm; unset: no clipping")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="moving average of weights; 0: off")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on GPUs")
    teacher: str | None = Field(None, description="weights of a model that saw HR images")


class Validation(Section):
    val_freq: int = Field(2000, ge=0, description="steps between validations; 0: never")
    conditions: list[Condition] = Field(["degraded"], min_length=1)
    best: str = Field("degraded/aiu", description="condition/metric that chooses the best weights")

    @model_validator(mode="after")
    def _measured(self) -> Validation:
        if self.best.split("/")[0] not in self.conditions:
            raise ValueError(f"best '{self.best}' is of none of the conditions ({', '.join(self.conditions)})")
        return self


class Evaluation(Section):
    conditions: list[Condition] = Field(["hr", "clean", "degraded"], min_length=1)
    surface_step: int = Field(1, ge=0, description="every n-th threshold for HD95_min, AHD95; 0: only 0.5")
    panels: int = Field(8, ge=0, description="pictures to write")
    classical: bool = Field(True, description="add the classical baseline (black-hat and Otsu)")


class Logger(Section):
    print_freq: int = Field(50, ge=1)
    save_checkpoint_freq: int = Field(2000, ge=1)
    pictures: int = Field(2, ge=0, description="pictures logged at each validation")


class Wandb(Section):
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    project: str = "crack-csbsr"
    entity: str | None = None
    group: str | None = None
    tags: list[str] = []


class Paths(Section):
    experiments_root: str = "experiments"


class Options(Section):
    """A whole experiment."""

    name: str = Field(pattern=r"^[\w.\-]+$", description="folder of the results below experiments/")
    seed: int = Field(1121, ge=0)
    compat: Literal["corrected", "reference"] = Field("corrected", description="see corrections")
    corrections: Corrections = Corrections()
    scale: Literal[2, 4, 8] = 4
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
    logger: Logger = Logger()
    wandb: Wandb = Wandb()
    path: Paths = Paths()

    def corrected(self, name: str) -> bool:
        """Whether the correction ``name`` is in force (its own entry, else ``compat``)."""
        chosen = getattr(self.corrections, name)
        return self.compat == "corrected" if chosen is None else chosen

    def resolved_corrections(self) -> dict[str, bool]:
        """Every correction and whether it is in force."""
        return {name: self.corrected(name) for name in Corrections.model_fields}

    @model_validator(mode="after")
    def _agree(self) -> Options:
        crop = self.datasets.train.crop
        if crop % self.scale:
            raise ValueError(
                f"datasets.train.crop {crop} is not a multiple of scale {self.scale}; "
                f"try {crop // self.scale * self.scale}"
            )
        if self.degradation.kernel_side // 2 >= crop:
            raise ValueError(f"degradation.kernel_side {self.degradation.kernel_side} exceeds the crop {crop}")
        self._check_networks()
        if self.loss.teacher_weight > 0 and self.train.teacher is None and not self._own_teacher():
            raise ValueError("loss.teacher_weight needs train.teacher, or a stage seg_hr to learn from")
        return self

    def _check_networks(self) -> None:
        if self.network is None:
            for name in ("network_sr", "network_seg"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name}: missing; add it")
            return
        if self.network_sr is not None or self.network_seg is not None:
            raise ValueError("network does both tasks; set network_sr and network_seg to null, or leave network out")
        for index, stage in enumerate(self.train.stages):
            if stage.name != "joint":
                raise ValueError(f"train.stages.{index}: network trains as a whole, in stage joint; got {stage.name}")
        if self.joint.handover:
            raise ValueError("joint.handover needs network_sr and network_seg; network has one encoder already")

    def _own_teacher(self) -> bool:
        return any(stage.name == "seg_hr" for stage in self.train.stages)
