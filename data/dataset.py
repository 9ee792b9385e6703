"""From a source of photographs to augmented training crops and whole evaluation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from contracts.errors import UserError
from contracts.records import HRBatch
from data.distance import signed_distance_map
from data.labels import Labelled
from data.lighting import Lighting
from data.sources import Source
from data.transforms import crop, crop_to_multiple, draw, flip_and_turn, pad_to, tone_table
from data.zoom import Zoom


@dataclass(frozen=True)
class Sample:
    """One photograph of a batch.

    Attributes:
        hr: [3,H,W] in [0, 1].
        mask: [1,H,W].
        name: of the photograph.
        epoch: the pass over the data.
        distance: signed distance map of the mask [1,H,W], if asked for.
        label: its image label, if any.
    """

    hr: Tensor
    mask: Tensor
    name: str
    epoch: int
    distance: Tensor | None = None
    label: bool | None = None


@dataclass(eq=False)
class CrackDataset(Dataset):
    """Augmented square crops of a source, addressed by (epoch, index).

    A sample is a pure function of (seed, epoch, image name): the same in any process, at any place
    in a batch.

    Args:
        source: the photographs.
        crop: side in pixels; smaller images are padded by reflection, mask included.
        seed: of the augmentation.
        horizontal_flip: probability.
        vertical_flip: probability.
        rotate: whether to add quarter turns.
        distance: whether to add the signed distance map of the cropped mask.
        crack_crop_probability: that the crop is placed near a crack pixel.
        photometric: strength of random contrast, brightness and gamma, 0 to 1 (0: none; 0.2 is moderate).
        zoom: crops at random scales and angles instead of plain ones.
        lighting: share of crops that are put in another light.

    Raises:
        UserError: for values out of range.
    """

    source: Source
    crop: int
    seed: int
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    rotate: bool = False
    distance: bool = True
    crack_crop_probability: float = 0.0
    photometric: float = 0.0
    zoom: Zoom | None = None
    lighting: float = 0.0

    def __post_init__(self) -> None:
        for name in ("horizontal_flip", "vertical_flip", "crack_crop_probability", "photometric", "lighting"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UserError(f"{name}: {value} is out of range; give a number from 0 to 1")
        if self.crop < 1:
            raise UserError(f"crop: {self.crop} is out of range; give a side of at least 1 pixel")
        self.light = Lighting(self.lighting) if self.lighting > 0 else None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample of photograph ``index`` in pass ``epoch``; key is (epoch, index)."""
        epoch, index = key
        name = self.source.name(index)
        drawn = draw(self.seed, epoch, name)
        image, mask = self.source.load(index)
        if self.zoom is None:
            image, mask = crop(*pad_to(image, mask, self.crop), self.crop, drawn, self.crack_crop_probability)
        else:
            image, mask = self.zoom(image, mask, self.crop, drawn, self.crack_crop_probability)
        image, mask = flip_and_turn(image, mask, drawn, self.horizontal_flip, self.vertical_flip, self.rotate)
        hr = tone_table(drawn, self.photometric)[image]
        label = self.source.label(index) if isinstance(self.source, Labelled) else None
        sample = _sample(hr, mask, name, epoch, self.distance)
        lit = sample.hr if self.light is None else self.light(sample.hr, drawn, self.seed, epoch, name)
        return replace(sample, hr=lit, label=label)


def whole_image(source: Source, index: int, multiple: int) -> HRBatch:
    """Return one photograph unaugmented as a batch of 1 (epoch 0).

    Args:
        source: the photographs.
        index: of the photograph.
        multiple: the photograph is cut to sides divisible by this.
    """
    image, mask = crop_to_multiple(*source.load(index), multiple)
    hr = image.astype(np.float32) / np.float32(255)
    return collate([_sample(hr, mask, source.name(index), 0, distance=False)])


def collate(samples: Sequence[Sample]) -> HRBatch:
    """Stack samples of one size into a batch."""
    distances = [sample.distance for sample in samples if sample.distance is not None]
    labels = [float(sample.label) for sample in samples if sample.label is not None]
    return HRBatch(
        hr=torch.stack([sample.hr for sample in samples]),
        mask=torch.stack([sample.mask for sample in samples]),
        name=tuple(sample.name for sample in samples),
        epoch=tuple(sample.epoch for sample in samples),
        distance=torch.stack(distances) if distances else None,
        label=torch.tensor(labels) if labels else None,
    )


def _sample(hr: NDArray[np.float32], mask: NDArray, name: str, epoch: int, distance: bool) -> Sample:
    """Turn hr [H,W,3] and mask [H,W] into tensors, with the distance map where it is asked for."""
    return Sample(
        hr=torch.from_numpy(np.ascontiguousarray(hr.transpose(2, 0, 1))),  # [3,H,W]
        mask=torch.from_numpy(np.array(mask[None], np.float32, order="C")),  # [1,H,W], a copy
        name=name,
        epoch=epoch,
        distance=torch.from_numpy(signed_distance_map(mask)[None]) if distance else None,  # [1,H,W]
    )
