"""Options of validation, evaluation, logging and tracking."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from engine.options.section import FilePath, PrecisionName, Section
from metrics.pooled import threshold_index

Condition = Literal["hr", "clean", "degraded"]


class Validation(Section):
    val_freq: int = Field(2000, ge=0, description="steps between validations; 0: never")
    conditions: list[Condition] = Field(["degraded"], min_length=1, description="inputs that are scored")
    best: str = Field("degraded/aiu", description="condition/metric that chooses the best weights")

    @model_validator(mode="after")
    def _measured(self) -> Validation:
        if self.best.split("/")[0] not in self.conditions:
            raise ValueError(f"best '{self.best}' is of none of the conditions ({', '.join(self.conditions)})")
        return self


class Evaluation(Section):
    conditions: list[Condition] = Field(["hr", "clean", "degraded"], min_length=1, description="inputs to score")
    surface_step: int = Field(1, ge=0, description="every n-th threshold for HD95_min, AHD95; 0: only 0.5")
    draws: int = Field(
        1, ge=1, description="degradations of each photograph, each drawn anew; clean and hr need but one"
    )
    threshold: float | Literal["validation"] | None = Field(
        None,
        description="also score masks at this one (0.01, 0.02, ... 0.99), or, validation, at the one that is best for "
        "datasets.val under the same input; null: not",
    )
    panels: int = Field(8, ge=0, description="pictures to write")
    maps: bool = Field(False, description="keep every probability map (8 bit) below results/maps, for compare.py")
    classical: bool = Field(True, description="add the classical baseline (black-hat and Otsu)")
    all_crack: bool = Field(False, description="add the baseline that calls every pixel crack")
    precision: PrecisionName = Field(
        "auto", description="of the networks; auto: bfloat16 on GPUs and CPUs that compute it natively"
    )

    allow_training_photographs: bool = Field(False, description="score photographs that the weights were trained on")

    @field_validator("threshold")
    @classmethod
    def _is_swept(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, float):
            threshold_index(value)
        return value

    def baselines(self) -> list[str]:
        """Names of the baselines asked for."""
        return [name for name in ("classical", "all_crack") if getattr(self, name)]


class Postprocess(Section):
    minimum_area: int = Field(
        0,
        ge=0,
        description="smaller regions (pixels) are no cracks, at each threshold; 0: off; costs: tools.small_regions",
    )


class Logger(Section):
    print_freq: int = Field(50, ge=1, description="steps between lines of the log")
    save_checkpoint_freq: int = Field(2000, ge=1, description="steps between saved states")
    pictures: int = Field(2, ge=0, description="pictures logged at each validation")


class Wandb(Section):
    mode: Literal["auto", "online", "offline", "disabled"] = Field("auto", description="auto: online where a key is")
    project: str = Field("crack-csbsr", description="W&B project")
    entity: str | None = Field(None, description="W&B user or team; unset: that of the key")
    group: str | None = Field(None, description="runs that belong together")
    tags: list[str] = Field([], description="words to find the run by")


class Paths(Section):
    experiments_root: FilePath = Field("experiments", description="folder of the experiments' folders")
