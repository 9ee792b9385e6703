"""The optimiser over the parameter groups of a model, and how it goes on after a stop."""

from __future__ import annotations

import torch

from contracts.errors import UserError
from engine.options import Options
from models.base import WholeModel


def build_optimizer(options: Options, model: WholeModel) -> torch.optim.Optimizer:
    """One optimiser with the groups "sr" (with the kernel predictors) and "seg".

    Fused kernels take a gradient's memory as it lies, so its strides must be the weight's, as autograd sees to.

    Args:
        options: of the experiment.
        model: its parameters are those to train.

    Raises:
        UserError: for fused SGD with momentum and several stages, or one with turns: it cannot take up weights whose
            first gradient comes later than that of others. (The options may say so, as those of a training that has to
            be resumed without it do.)
    """
    chosen, stages = options.train.optimizer, options.train.stages
    later = len(stages) > 1 or any(stage.name == "sr4ir" for stage in stages)
    if chosen.type == "sgd" and chosen.fused and chosen.momentum and later:
        raise UserError(
            "train.optimizer.fused: torch's fused sgd fails at what a later stage begins with; leave it out"
        )
    by_group = model.param_groups()
    groups = [
        {"name": "sr", "params": by_group["sr"] + by_group["kernel"]},
        {"name": "seg", "params": by_group["encoder"] + by_group["seg"] + by_group["skip"]},
    ]
    groups = [group for group in groups if group["params"]]
    fused = chosen.fused if chosen.fused is not None else chosen.type != "sgd"
    decay = chosen.weight_decay
    if chosen.type == "sgd":
        return torch.optim.SGD(groups, lr=chosen.lr, momentum=chosen.momentum, weight_decay=decay, fused=fused)
    cls = torch.optim.AdamW if chosen.type == "adamw" else torch.optim.Adam
    betas = (chosen.betas[0], chosen.betas[1])
    return cls(groups, lr=chosen.lr, betas=betas, weight_decay=decay, fused=fused)


def go_on(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """Load the saved state of an optimiser, to go on with or without fused kernels, whatever it was saved with.

    States of weights in another layout get today's: fused kernels on a CPU would mix up their values in silence.

    Args:
        optimizer: to load it into.
        state: as ``state_dict`` gave it.
    """
    fused = optimizer.param_groups[0]["fused"]
    optimizer.load_state_dict({**state, "param_groups": [{**group, "fused": fused} for group in state["param_groups"]]})
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                kept[name] = torch.empty_like(weight).copy_(value)
