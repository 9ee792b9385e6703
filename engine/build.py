"""The composition root: the one place where options become objects."""

from __future__ import annotations

import inspect
from pathlib import Path

import torch
from torch import nn

from contracts.errors import UserError, lookup
from data.dataset import CrackDataset
from data.folders import find_pairs
from data.sources import Cached, FolderSource, Source, require_cracks, split_random
from data.synthetic import SyntheticSource
from degradations.pipeline import Pipeline
from degradations.presets import build_pipeline
from engine.arguments import checked_arguments
from engine.checkpoint import load_file, load_weights
from engine.options import Dataset, Network, Options
from engine.step import parts
from losses.combo import SEGMENTATION_LOSSES, SegmentationLoss
from losses.joint import JointLoss
from losses.sr import REFERENCE_WEIGHTS, KBPNLoss
from models.joint import JointModel
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS

DEFAULT_WEIGHTS = (0.4, 0.4, 0.2)  # image, LR, kernel: what the reference code meant
VALIDATION_CACHE_MB = 512


def build_source(dataset: Dataset, path: str, binary_masks: bool = True, cache_mb: int = 0) -> Source:
    """The photographs of one entry of ``datasets``; ``path`` names it in errors."""
    if dataset.type == "synthetic":
        return Cached(SyntheticSource(dataset.count, size=dataset.size, seed=dataset.seed), cache_mb)
    try:
        pairs = find_pairs(Path(dataset.root), split_list=dataset.lists, part=dataset.part)
        return FolderSource(pairs[: dataset.count], binarise=binary_masks, cache_mb=cache_mb)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def build_train_sources(options: Options) -> tuple[Source, Source | None]:
    """Training and validation photographs (None where the options name none)."""
    train = options.datasets.train
    binary = options.corrected("binary_masks")
    source = build_source(train, "datasets.train", binary, train.cache_mb)
    require_cracks(source, "datasets.train")
    if options.datasets.val is not None:
        return source, build_source(options.datasets.val, "datasets.val", cache_mb=VALIDATION_CACHE_MB)
    if train.holdout == 0:
        return source, None
    kept, held = split_random(source, [1 - train.holdout, train.holdout], options.seed)
    return kept, held


def build_dataset(options: Options, source: Source) -> CrackDataset:
    """Crops, flips and distance maps of the training photographs."""
    train = options.datasets.train
    vertical = train.vertical_flip
    if vertical is None:
        vertical = 0.3 if options.corrected("vertical_flip") else 0.0
    return CrackDataset(
        source,
        crop=train.crop,
        seed=options.seed,
        horizontal_flip=train.horizontal_flip,
        vertical_flip=vertical,
        rotate=train.rotate,
        distance=build_segmentation_loss(options).needs_distance,
        crack_crop_probability=train.crack_crop_probability,
        photometric=train.photometric,
    )


def build_degradation(options: Options, condition: str = "degraded") -> Pipeline:
    """The degradation of a condition: "degraded" as the options say, "clean" the reduction alone.

    Evaluation quantises to 8 bit, as every photograph is; ``train`` does not.
    """
    degradation = options.degradation
    steps = degradation.preset if degradation.steps is None else degradation.steps
    return build_pipeline(
        "clean" if condition == "clean" else steps,
        scale=options.scale,
        kernel_side=degradation.kernel_side,
        border="reflect" if options.corrected("reflected_borders") else "zero",
        quantise=condition != "train",
    )


def _build_network(network: Network, table: dict, path: str, **fixed: object) -> nn.Module:
    cls = lookup(table, network.type, f"{path}.type")
    known = {name: value for name, value in fixed.items() if name in inspect.signature(cls).parameters}
    arguments = checked_arguments(cls, network.arguments(), path, fixed=tuple(known))
    return cls(**arguments, **known)


def build_model(options: Options, pretrained: bool = True) -> JointModel:
    """The joint model. pretrained False builds it without reading any weights (to load others)."""
    sr = _build_network(
        options.network_sr, SR_NETWORKS, "network_sr",
        scale=options.scale, kernel_side=options.degradation.kernel_side,
    )
    seg_options = options.network_seg
    if not pretrained and "pretrained" in seg_options.arguments():
        seg_options = seg_options.model_copy(update={"pretrained": "none"})
    seg = _build_network(seg_options, SEG_NETWORKS, "network_seg", kernel_side=options.degradation.kernel_side)
    joint = options.joint
    model = JointModel(
        sr, seg, scale=options.scale, normalise=joint.normalise, clip=joint.clip, handover=joint.handover,
        window=options.datasets.train.crop,
    )
    if pretrained:
        _start_from(model.sr, options.network_sr, "sr.", "network_sr.weights")
        _start_from(model.seg, options.network_seg, "seg.", "network_seg.weights")
    return model


def _start_from(network: nn.Module, options: Network, prefix: str, path: str) -> None:
    if options.weights is None:
        return
    try:
        state = load_file(options.weights)["model"]
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    load_weights(network, own, f"{path} {options.weights}")


def build_segmentation_loss(options: Options) -> SegmentationLoss:
    """The segmentation loss by name, with its arguments checked."""
    loss = options.loss
    make = lookup(SEGMENTATION_LOSSES, loss.segmentation, "loss.segmentation")
    fixed = getattr(make, "keywords", {})
    cls = getattr(make, "func", make)
    arguments = checked_arguments(cls, loss.segmentation_args, "loss.segmentation_args", fixed=tuple(fixed))
    try:
        return make(**arguments)
    except ValueError as error:
        raise UserError(f"loss.segmentation_args: {error}") from None


def build_loss(options: Options) -> JointLoss:
    """The joint loss, with the corrections in force."""
    supervised = options.corrected("supervised_kernel")
    weights = options.loss.sr_weights or (DEFAULT_WEIGHTS if supervised else REFERENCE_WEIGHTS)
    border = "reflect" if options.corrected("reflected_borders") else "zero"
    try:
        sr_loss = KBPNLoss(weights, border, "sum" if supervised else "mean")
    except ValueError as error:
        raise UserError(f"loss.sr_weights: {error}") from None
    return JointLoss(
        build_segmentation_loss(options), sr_loss, options.loss.aux_weight,
        fail_amplitude=options.loss.fail_oriented, crack_amplitude=options.loss.crack_oriented,
    )


def build_optimizer(options: Options, model: JointModel) -> torch.optim.Optimizer:
    """One optimiser with the groups "sr" (with the kernel predictors) and "seg"."""
    chosen = options.train.optimizer
    by_part = parts(model)
    groups = [
        {"name": "sr", "params": by_part["sr"] + by_part["kernel"]},
        {"name": "seg", "params": by_part["seg"]},
    ]
    groups = [group for group in groups if group["params"]]
    if chosen.type == "sgd":
        return torch.optim.SGD(groups, lr=chosen.lr, momentum=chosen.momentum, weight_decay=chosen.weight_decay)
    cls = torch.optim.AdamW if chosen.type == "adamw" else torch.optim.Adam
    betas = (chosen.betas[0], chosen.betas[1])
    return cls(groups, lr=chosen.lr, betas=betas, weight_decay=chosen.weight_decay)
