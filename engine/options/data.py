"""Options of photographs and of how they are degraded."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from data.synthetic.source import CRACK_FREE
from engine.options.section import FilePath, Section


class Degradation(Section):
    """How a sharp photograph becomes a low-resolution one: a preset, or one's own ordered steps."""

    preset: str | None = Field("kondo_ukita", description="kondo_ukita, field, strong or clean")
    steps: list[dict[str, Any]] | None = Field(None, description="own steps instead of a preset")
    kernel_side: int = Field(21, ge=3, description="side of the blur kernel in pixels, odd")

    @model_validator(mode="after")
    def _one_of_both(self) -> Degradation:
        if self.steps is not None and "preset" in self.model_fields_set and self.preset is not None:
            raise ValueError("give either preset or steps (set preset: null to use steps)")
        if self.steps is None and self.preset is None:
            raise ValueError("give a preset or steps")
        if self.kernel_side % 2 == 0:
            raise ValueError(f"kernel_side {self.kernel_side} is even; give an odd side such as 21")
        return self


class Split(Section):
    """A random split of the photographs, drawn from their names and a seed; the same on every machine."""

    use: str = Field(description="name of the fraction to use")
    fractions: dict[str, float] = Field({"train": 0.8, "val": 0.1, "test": 0.1}, description="their sum at most 1")
    seed: int = Field(42, ge=0, description="of the draw")

    @model_validator(mode="after")
    def _known(self) -> Split:
        if self.use not in self.fractions:
            raise ValueError(f"use '{self.use}' is none of the fractions ({', '.join(self.fractions)})")
        if min(self.fractions.values()) <= 0 or sum(self.fractions.values()) > 1 + 1e-9:
            raise ValueError(f"fractions {self.fractions}: each has to be above 0, and their sum at most 1")
        return self


class Photographs(Section):
    """What photographs with masks have in common, drawn ones and files."""

    TIED: ClassVar[tuple[str, ...]] = ("count", "seed", "frozen")

    seed: int = Field(0, ge=0, description="seed of drawn photographs, and of a test set's degradation")
    frozen: FilePath | None = Field(None, description="of datasets.test: set rendered by tools.freeze to read")
    split: Split | None = Field(None, description="use one fraction of a random split of these photographs")
    resize: int | None = Field(None, ge=32, description="resize to squares of this side; distorts widths of cracks")
    keep_aspect: bool = Field(False, description="resize to this longer side instead, in proportion")

    @model_validator(mode="after")
    def _sized(self) -> Photographs:
        if self.keep_aspect and self.resize is None:
            raise ValueError("keep_aspect needs resize: the length of the longer side")
        return self


class Drawn(Photographs):
    """Photographs drawn by the embedded generator."""

    type: Literal["synthetic"] = Field("synthetic", description="drawn photographs")
    count: int = Field(ge=1, description="number of images to draw; type folder: to use, unset: all")
    size: int = Field(448, ge=32, description="side of an image in pixels")
    crack_free: float = Field(CRACK_FREE, ge=0, le=1, description="fraction of images without a crack")


class Folder(Photographs):
    """Photographs in files, with their masks."""

    type: Literal["folder"] = Field(description="files")
    root: FilePath = Field(description="folder that holds images and masks")
    lists: FilePath | list[FilePath] | None = Field(None, description="split list files, one FOLDER/STEM a line")
    part: str | None = Field(None, description="part of the root, such as train; unset: that of this entry, or all")
    count: int | None = Field(None, ge=1, description="number of images to use; unset: all")
    bits: int | None = Field(
        None, ge=8, le=16, description="depth of values in 16-bit photographs; unset: the smallest usual one"
    )
    crack_values: list[int] | None = Field(
        None, min_length=1, description="values of masks (largest channel) that mean crack; all else is background"
    )
    crack_from: int | None = Field(None, ge=1, description="smallest value of masks that means crack")
    mask_orientation: Literal["upright", "stored"] | None = Field(
        None, description="masks of photographs with an EXIF turn: upright as these look, or as their pixels are stored"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Folder:
        if self.crack_values is not None and self.crack_from is not None:
            raise ValueError("crack_values and crack_from both say what is crack; give one of them")
        return self


class Labels(Section):
    """Image labels, "cracked" or not, to learn from instead of masks."""

    source: Literal["masks", "prefix", "folder", "csv"] = Field(
        description="masks: is there any crack pixel; prefix: of file names; folder: its name; "
        "csv: a file of NAME,1 or NAME,0"
    )
    uncracked: list[str] = Field(
        ["noncrack"], min_length=1, description="prefixes, or folders, of photographs without a crack"
    )
    file: FilePath | None = Field(None, description="the CSV file")

    @model_validator(mode="after")
    def _named(self) -> Labels:
        if (self.source == "csv") != (self.file is not None):
            raise ValueError("file names the CSV file of source csv; give both or neither")
        return self


class Augmentation(Section):
    """The crops that are made of the training photographs."""

    crop: int = Field(224, ge=16, description="side of the HR crop in pixels, a multiple of the scale")
    horizontal_flip: float = Field(0.5, ge=0, le=1, description="probability of a mirrored crop")
    vertical_flip: float | None = Field(None, ge=0, le=1, description="unset: 0.3, or 0 with the reference")
    rotate: bool = Field(False, description="rotate by multiples of 90 degrees")
    any_angle: bool = Field(False, description="turn crops by any angle, not only by multiples of 90 degrees")
    zoom: list[float] | None = Field(
        None, min_length=2, max_length=2, description="smallest and largest factor that crops are enlarged by; unset: 1"
    )
    crack_crop_probability: float = Field(0.0, ge=0, le=1, description="crops centred near a crack pixel")
    photometric: float = Field(0.0, ge=0, le=1, description="strength of brightness/contrast/gamma changes")
    lighting: float = Field(
        0.0, ge=0, le=1, description="fraction of crops put in another light: dark, shadow, slanting, lamp or wet"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        if self.zoom is not None and not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom {self.zoom}: give the smaller factor first, above 0, such as [0.5, 2]")
        return self


class Loader(Section):
    """How crops come to the training."""

    batch_size: int = Field(6, ge=1, description="samples per step over all processes together")
    workers: int = Field(1, ge=0, description="loader processes per training process")
    degrade_in_workers: bool = Field(
        False, description="degrade in the loader processes, where a GPU would wait for it; equal up to rounding"
    )
    cache_mb: int = Field(1024, ge=0, description="memory for decoded photographs, in MiB")


class Training(Section):
    """What photographs to train on have besides."""

    augmentation: Augmentation = Augmentation()
    loader: Loader = Loader()
    labels: Labels | None = Field(None, description="image labels instead of masks, for loss image_label")
    holdout: float = Field(0.0, ge=0, lt=1, description="fraction held out for validation, by their names")

    @model_validator(mode="after")
    def _learnable(self) -> Training:
        if self.labels is not None and self.holdout > 0:
            raise ValueError("holdout needs masks, which labels hide; set it to 0 (validate on datasets.val)")
        if self.labels is not None and self.augmentation.crack_crop_probability > 0:
            raise ValueError("augmentation.crack_crop_probability needs masks, which labels hide; set it to 0")
        return self


class TrainDrawn(Drawn, Training):
    """Drawn photographs to train on."""


ABOUT_MASKS = ("crack_values", "crack_from", "mask_orientation")


class TrainFolder(Folder, Training):
    """Photographs in files to train on."""

    @model_validator(mode="after")
    def _without_masks(self) -> TrainFolder:
        about_masks = [key for key in ABOUT_MASKS if getattr(self, key) is not None]
        if self.labels is not None and self.labels.source != "masks" and about_masks:
            raise ValueError(f"{about_masks[0]} is about masks; labels of source {self.labels.source} need none")
        return self


def _type_of(entry: object) -> str | None:
    return entry.get("type", "synthetic") if isinstance(entry, dict) else getattr(entry, "type", None)


Dataset = Annotated[Annotated[Drawn, Tag("synthetic")] | Annotated[Folder, Tag("folder")], Discriminator(_type_of)]
TrainDataset = Annotated[
    Annotated[TrainDrawn, Tag("synthetic")] | Annotated[TrainFolder, Tag("folder")], Discriminator(_type_of)
]


class Datasets(Section):
    train: TrainDataset
    val: Dataset | None = None
    test: Dataset | None = None
