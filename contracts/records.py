"""The frozen records that travel between the parts, one for each arrow of the data flow.

Images are RGB float32 in [0, 1]; masks are float32 in {0, 1}; ``H, W`` are high-resolution (HR)
sides and ``h = H / scale``, ``w = W / scale`` low-resolution (LR) ones.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def to_device(record: Record, device: torch.device) -> Record:
    """Copy a record to another device; copies from page-locked memory may still be under way at return.

    Args:
        record: its tensors are moved, other fields are kept.
        device: where the tensors of the copy live.
    """
    moved = {
        field.name: value.to(device, non_blocking=True)
        for field in fields(record)
        if isinstance(value := getattr(record, field.name), Tensor)
    }
    return replace(record, **moved)


def micro_batches(record: Record, count: int) -> list[Record]:
    """Cut a record of a batch into several of equally many samples, in order.

    Args:
        record: fields without a batch (None) are kept.
        count: number of micro-batches.

    Raises:
        ValueError: if ``count`` does not divide the number of samples.
    """
    batched = {field.name: value for field in fields(record) if (value := getattr(record, field.name)) is not None}
    samples = len(next(iter(batched.values())))
    if samples % count:
        raise ValueError(f"{samples} samples cannot be cut into {count} equal micro-batches")
    size = samples // count
    return [
        replace(record, **{name: value[start : start + size] for name, value in batched.items()})
        for start in range(0, samples, size)
    ]


@dataclass(frozen=True)
class HRBatch:
    """Sharp photographs with their crack masks, as the loader hands them over.

    Attributes:
        hr: [B,3,H,W].
        mask: [B,1,H,W].
        name: B image names (seeds of the degradation).
        epoch: the pass over the data each sample belongs to, B integers.
        distance: [B,1,H,W] normalised signed distance map of the mask in [-1, 1], or None.
        label: [B], 1 for a photograph with a crack, else 0, where image labels stand in for masks (NaN), or None.
        lr: [B,3,h,w] where it was degraded by the loader, or None.
        kernel: [B,1,k,k], likewise.
    """

    hr: Tensor
    mask: Tensor
    name: tuple[str, ...]
    epoch: tuple[int, ...]
    distance: Tensor | None = None
    label: Tensor | None = None
    lr: Tensor | None = None
    kernel: Tensor | None = None


@dataclass(frozen=True)
class Degraded:
    """What a degradation pipeline returns for a batch.

    Attributes:
        lr: [B,3,h,w].
        kernel: [B,1,k,k], each sums to 1 (a centred delta without blur).
        drawn: B dictionaries of the parameters drawn for each sample, plain Python numbers.
    """

    lr: Tensor
    kernel: Tensor
    drawn: tuple[dict, ...]


@dataclass(frozen=True)
class DegradedBatch:
    """A training or evaluation batch: the degraded input with everything it came from; fields as of ``HRBatch``."""

    lr: Tensor
    hr: Tensor
    mask: Tensor
    kernel: Tensor
    name: tuple[str, ...]
    distance: Tensor | None = None
    label: Tensor | None = None


@dataclass(frozen=True)
class Restored:
    """What a super-resolution network returns.

    Attributes:
        sr: [B,3,H,W], unclipped, in the type of the input image, also under autocast.
        kernel: [B,1,k,k] estimated blur kernel that sums to 1, in float32 or better, or None.
        features: the maps the image was reconstructed from, one or more tensors [B,C_i,H,W] whose channels follow
            each other, or None.
        latent: the last maps at low resolution [B,C,h,w] of a network that enlarges at its end, or None.
    """

    sr: Tensor
    kernel: Tensor | None = None
    features: tuple[Tensor, ...] | None = None
    latent: Tensor | None = None


@dataclass(frozen=True)
class Segmented:
    """What a segmentation network returns.

    In float32 or better, also under autocast, all but ``encoded``.

    Attributes:
        logits: [B,1,H,W], no sigmoid.
        aux: side outputs, each a map of logits [B,C,H,W].
        blur: [B,4], what the network takes the blur of the photograph for (``losses.blur``), or None.
        encoded: in training the maps of the network's encoder [B,C_i,h_i,w_i], finest first, in the type that it
            computes in; None outside training, where they would only take memory, and without an encoder.
    """

    logits: Tensor
    aux: tuple[Tensor, ...] = ()
    encoded: tuple[Tensor, ...] | None = None
    blur: Tensor | None = None


@dataclass(frozen=True)
class JointOutput:
    """What the joint model returns: restoration and segmentation of one batch.

    Attributes:
        sr: see ``Restored``.
        kernel: likewise.
        logits: see ``Segmented``.
        aux: likewise.
        features: those of the segmentation and of the restoration, a pair [B,C,h',w'] and [B,D,h',w'] of the same
            sides that a feature affinity loss compares, or None.
        blur: see ``Segmented``.
        encoded: see ``Segmented``.
    """

    sr: Tensor
    kernel: Tensor | None
    logits: Tensor
    aux: tuple[Tensor, ...] = ()
    features: tuple[Tensor, Tensor] | None = None
    blur: Tensor | None = None
    encoded: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class LossReport:
    """A loss.

    Attributes:
        total: scalar with gradient.
        terms: detached scalars by name.
    """

    total: Tensor
    terms: dict[str, Tensor]
