"""Where options become networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import nn

from contracts.errors import UserError, at, lookup
from engine.options import Network, Options
from engine.options.arguments import checked_arguments, parameters_of
from engine.runtime.checkpoint import load_file, load_weights
from engine.runtime.shipped import resolve
from models.base import WholeModel
from models.joint import JointModel
from models.residual import ResidualModel
from models.seg import SEG_NETWORKS
from models.sr import SR_NETWORKS
from models.whole import WHOLE_NETWORKS

Built = TypeVar("Built", bound=nn.Module)
ROOT = Path(__file__).resolve().parents[2]


def _build_network(
    network: Network, table: Mapping[str, type[Built]], path: str, pretrained: bool, **fixed: object
) -> Built:
    cls = lookup(table, network.type, f"{path}.type")
    if not pretrained and "pretrained" in network.arguments():
        network = network.model_copy(update={"pretrained": "none"})
    known = {name: value for name, value in fixed.items() if name in parameters_of(cls)}
    arguments = checked_arguments(cls, network.arguments(), path, fixed=tuple(known))
    with at(path):
        return cls(**arguments, **known)


def build_model(options: Options, pretrained: bool = True) -> WholeModel:
    """The model of an experiment.

    Args:
        options: of the experiment.
        pretrained: whether weights to start from are read; False where others are loaded afterwards.

    Raises:
        UserError: for networks that do not exist or do not go together, and for weights that are missing.
    """
    if options.network is not None:
        fixed = {"scale": options.scale, "clip": options.joint.clip}
        whole = _build_network(options.network, WHOLE_NETWORKS, "network", pretrained, **fixed)
        if pretrained:
            _start_from(whole, options.network, "", "network.weights")
        return whole
    restores, segments, kernel_side = options.network_sr, options.network_seg, options.degradation.kernel_side
    assert restores is not None and segments is not None  # options without them are refused
    sr = _build_network(restores, SR_NETWORKS, "network_sr", pretrained, scale=options.scale, kernel_side=kernel_side)
    seg = _build_network(segments, SEG_NETWORKS, "network_seg", pretrained, kernel_side=kernel_side)
    joint = options.joint
    if seg.needs_kernel and not sr.estimates_kernel:
        raise UserError(
            f"network_seg: {segments.type} needs the blur kernel, which network_sr {restores.type} does not estimate; "
            "kbpn does"
        )
    with at("joint.handover" if joint.handover else "joint"):
        model = (ResidualModel if joint.connection == "residual" else JointModel)(
            sr,
            seg,
            scale=options.scale,
            normalise=joint.normalise,
            clip=joint.clip,
            handover=joint.handover,
            window=options.datasets.train.augmentation.crop,
            stop_gradient=joint.stop_gradient,
        )
    if pretrained:
        _start_from(model.sr, restores, "sr.", "network_sr.weights")
        _start_from(model.seg, segments, "seg.", "network_seg.weights")
    return model


def build_teacher(options: Options) -> WholeModel | None:
    """The network of ``train.teacher``, whose answers on HR images are learned from; None: no file is named."""
    path = options.train.teacher
    if path is None:
        return None
    teacher = build_model(options, pretrained=False)
    try:
        load_weights(teacher, load_file(path)["model"], path, may_lack=("handover.",))  # sharp images need none
    except UserError as error:
        raise UserError(f"train.teacher: {error}") from None
    return teacher


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
    load_weights(network, own, f"{path} {options.weights}", may_lack=getattr(network, "may_lack", ()))


def _how_to_get(weights: Path) -> str:
    """The command that trains the missing weights experiments/NAME/models/FILE, where there are options for NAME."""
    name = weights.parts[-3] if len(weights.parts) > 2 else ""
    files = sorted((ROOT / "options").rglob(f"{name}.yml")) if re.fullmatch(r"[\w.\-]+", name) else []
    if not files:
        return "train first, or give another file"
    return f"train them first: python train_joint.py -opt {files[0].relative_to(ROOT)}; or set it to null"
