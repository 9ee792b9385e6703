"""The parameters of a model by what trains them, and the optimiser over them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from contracts.errors import UserError
from engine.options import Options
from models.whole import Model


def param_groups(model: Model) -> dict[str, list[nn.Parameter]]:
    """The parameters of a model by group: "sr", "kernel", "encoder", "skip" and "seg", all that is left."""
    kernel = _parameters(model.sr, "kernel_parameters")
    skip = _parameters(model.seg, "blur_skip_parameters")
    encoder = list(model.encoder.parameters()) if hasattr(model, "encoder") else []  # of a network for both tasks
    sr = _without(model.sr.parameters(), kernel)
    seg = _without(model.parameters(), sr + kernel + encoder + skip)
    return {"sr": sr, "kernel": kernel, "encoder": encoder, "skip": skip, "seg": seg}


def _parameters(network: nn.Module, method: str) -> list[nn.Parameter]:
    """What a network's method of that name lists; nothing where it has none."""
    return list(getattr(network, method, tuple)())


def _without(parameters: Iterable[nn.Parameter], known: list[nn.Parameter]) -> list[nn.Parameter]:
    identities = {id(parameter) for parameter in known}
    return [parameter for parameter in parameters if id(parameter) not in identities]


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
    by_group = param_groups(model)
    groups = [
        {"name": "sr", "params": by_group["sr"] + by_group["kernel"]},
        {"name": "seg", "params": by_group["encoder"] + by_group["seg"] + by_group["skip"]},
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
