"""Where options become networks, losses and the optimiser. Photographs: engine/build_data.py."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import torch
from torch import nn

from contracts.errors import UserError, lookup
from engine.arguments import checked_arguments
from engine.checkpoint import load_file, load_weights
from engine.options import Network, Options
from engine.shipped import resolve
from engine.step import parts
from losses.affinity import FeatureAffinity
from losses.combo import SEGMENTATION_LOSSES, SegmentationLoss
from losses.image_label import IMAGE_LABEL_LOSSES, ImageLabelLoss
from losses.joint import JointLoss
from losses.sr import REFERENCE_WEIGHTS, KBPNLoss
from models.joint import JointModel
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS, Model

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_WEIGHTS = (0.4, 0.4, 0.2)  # image, LR, kernel: what the reference code meant


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
    if not resolve(options.weights).exists():
        raise UserError(f"{path}: weights {options.weights} do not exist; {_how_to_get(Path(options.weights))}")
    try:
        state = load_file(options.weights)["model"]
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    load_weights(network, own, f"{path} {options.weights}", may_lack=getattr(network, "added", ()))


def _how_to_get(weights: Path) -> str:
    """The command that trains the missing weights experiments/NAME/models/FILE, where there are options for NAME."""
    name = weights.parts[-3] if len(weights.parts) > 2 else ""
    found = sorted((ROOT / "options").rglob(f"{name}.yml")) if re.fullmatch(r"[\w.\-]+", name) else []
    if not found:
        return "train first, or give another file"
    return f"train them first: python train_joint.py -opt {found[0].relative_to(ROOT)}; or set it to null"


def build_segmentation_loss(options: Options) -> SegmentationLoss | ImageLabelLoss:
    """The segmentation loss by name, with its arguments checked."""
    loss = options.loss
    make = lookup({**SEGMENTATION_LOSSES, **IMAGE_LABEL_LOSSES}, loss.segmentation, "loss.segmentation")
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
    """One optimiser with the groups "sr" (with the kernel predictors) and "seg".

    Fused kernels take a gradient's memory as it lies, so its strides must be the weight's, as autograd sees to. That of
    SGD with momentum cannot take up weights whose first gradient comes later than that of others: UserError. (The
    options may say so, as those of a training that has to be resumed without it do.)
    """
    chosen = options.train.optimizer
    if chosen.type == "sgd" and chosen.fused and chosen.momentum and len(options.train.stages) > 1:
        raise UserError(
            "train.optimizer.fused: torch's fused sgd fails at what a later stage begins with; leave it out"
        )
    by_part = parts(model)
    groups = [
        {"name": "sr", "params": by_part["sr"] + by_part["kernel"]},
        {"name": "seg", "params": by_part["encoder"] + by_part["seg"] + by_part["skip"]},
    ]
    groups = [group for group in groups if group["params"]]
    fused = chosen.fused if chosen.fused is not None else chosen.type != "sgd"
    common = {"lr": chosen.lr, "weight_decay": chosen.weight_decay, "fused": fused}
    if chosen.type == "sgd":
        return torch.optim.SGD(groups, momentum=chosen.momentum, **common)
    cls = torch.optim.AdamW if chosen.type == "adamw" else torch.optim.Adam
    betas = (chosen.betas[0], chosen.betas[1])
    return cls(groups, betas=betas, **common)


def go_on(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """Load the saved state of an optimiser, to go on with or without fused kernels, whatever it was saved with.

    States of weights in another layout get today's: fused kernels on a CPU would mix up their values in silence.
    """
    fused = optimizer.param_groups[0]["fused"]
    optimizer.load_state_dict({**state, "param_groups": [{**one, "fused": fused} for one in state["param_groups"]]})
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                kept[name] = torch.empty_like(weight).copy_(value)
