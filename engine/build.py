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
from losses.affinity import FeatureAffinity
from losses.combo import SEGMENTATION_LOSSES, SegmentationLoss
from losses.joint import JointLoss
from losses.sr import REFERENCE_WEIGHTS, KBPNLoss
from models.joint import JointModel
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS, Model

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


def _build_network(network: Network, table: dict, path: str, pretrained: bool, **fixed: object) -> nn.Module:
    cls = lookup(table, network.type, f"{path}.type")
    if not pretrained and "pretrained" in network.arguments():
        network = network.model_copy(update={"pretrained": "none"})
    known = {name: value for name, value in fixed.items() if name in inspect.signature(cls).parameters}
    arguments = checked_arguments(cls, network.arguments(), path, fixed=tuple(known))
    return cls(**arguments, **known)


def build_model(options: Options, pretrained: bool = True) -> Model:
    """The model. pretrained False builds it without reading any weights (to load others)."""
    if options.network is not None:
        return _build_whole(options, pretrained)
    kernel_side = options.degradation.kernel_side
    sr = _build_network(
        options.network_sr, SR_NETWORKS, "network_sr", pretrained, scale=options.scale, kernel_side=kernel_side
    )
    seg = _build_network(options.network_seg, SEG_NETWORKS, "network_seg", pretrained, kernel_side=kernel_side)
    joint = options.joint
    model = JointModel(
        sr, seg, scale=options.scale, normalise=joint.normalise, clip=joint.clip, handover=joint.handover,
        window=options.datasets.train.crop,
    )
    if pretrained:
        _start_from(model.sr, options.network_sr, "sr.", "network_sr.weights")
        _start_from(model.seg, options.network_seg, "seg.", "network_seg.weights")
    return model


def _build_whole(options: Options, pretrained: bool) -> Model:
    model = _build_network(
        options.network, WHOLE_NETWORKS, "network", pretrained, scale=options.scale, clip=options.joint.clip
    )
    if pretrained:
        _start_from(model, options.network, "", "network.weights")
    return model


def _start_from(network: nn.Module, options: Network, prefix: str, path: str) -> None:
    if options.weights is None:
        return
    try:
        state = load_file(options.weights)["model"]
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    load_weights(network, own, f"{path} {options.weights}", may_lack=getattr(network, "added", ()))


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
        affinity=build_affinity(options), affinity_weight=options.loss.affinity,
    )


def build_affinity(options: Options) -> FeatureAffinity:
    """The feature-affinity loss, over the batch as ``corrections.mean_affinity`` says unless its arguments do."""
    chosen = checked_arguments(FeatureAffinity, options.loss.affinity_args, "loss.affinity_args")
    reduction = "mean" if options.corrected("mean_affinity") else "sum"
    try:
        return FeatureAffinity(**{"reduction": reduction, **chosen})
    except UserError as error:
        raise UserError(f"loss.affinity_args: {error}") from None


def build_optimizer(options: Options, model: Model) -> torch.optim.Optimizer:
    """One optimiser with the groups "sr" (with the kernel predictors) and "seg"."""
    chosen = options.train.optimizer
    by_part = parts(model)
    groups = [
        {"name": "sr", "params": by_part["sr"] + by_part["kernel"]},
        {"name": "seg", "params": by_part["seg"] + by_part["skip"]},
    ]
    groups = [group for group in groups if group["params"]]
    if chosen.type == "sgd":
        return torch.optim.SGD(groups, lr=chosen.lr, momentum=chosen.momentum, weight_decay=chosen.weight_decay)
    cls = torch.optim.AdamW if chosen.type == "adamw" else torch.optim.Adam
    betas = (chosen.betas[0], chosen.betas[1])
    return cls(groups, lr=chosen.lr, betas=betas, weight_decay=chosen.weight_decay)
