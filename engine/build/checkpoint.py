"""Trained weights with what they are: found, read and checked in one place, for every script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contracts.errors import UserError
from engine.build.models import build_model
from engine.options import Options
from engine.options.load import change_options, load_options
from engine.runtime.checkpoint import load_file, load_weights
from engine.runtime.experiment import Experiment, weights_of
from engine.runtime.layout import channels_last
from engine.runtime.shipped import default_weights, is_shipped, resolve
from models.base import WholeModel


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights that were read from ``path``, with the options that say which network they are of.

    weights: tensors by name; meta: facts about the training; step: how many steps it took; made: when shipped weights
    were made, ISO 8601, "" of others.
    """

    options: Options
    weights: Mapping[str, Tensor]
    meta: Mapping[str, Any]
    step: int
    path: Path
    made: str = ""

    def model(self) -> WholeModel:
        """The model in evaluation mode. Raises UserError if the weights do not fit the options."""
        model = build_model(self.options, pretrained=False)
        load_weights(model, dict(self.weights), str(self.path))
        return channels_last(model.eval())

    def __str__(self) -> str:
        """As a line about the weights says it: path and step, and of shipped ones when they were made."""
        shipped = f"shipped, made {self.made[:10]}, " if is_shipped(self.path) else ""
        return f"{self.path} ({shipped}step {self.step})"


def find_checkpoint(opt: str | None = None, weights: str | None = None, changes: list[str] | None = None) -> Checkpoint:
    """The weights named; else those of the experiment of ``opt``; else ``engine.runtime.shipped.default_weights``.

    Args:
        opt: an options file; None: the options come from the checkpoint itself.
        weights: a file, a folder of weights or the name of shipped ones.
        changes: of ``--force_yml``.

    Raises:
        UserError: where there are no weights, or the file lacks something.
    """
    options = load_options(opt, changes or []) if opt else None
    if weights is not None:
        path = resolve(weights)
    elif options is not None:
        path = weights_of(Experiment(Path(options.path.experiments_root) / options.name))
    else:
        path = default_weights(Path("experiments"))
    content = load_file(path, "meta", "step")
    if options is None:
        if not content.get("options"):
            raise UserError(f"{path} holds weights without their options; name the options file with -opt FILE")
        options = change_options(content["options"], changes or [], str(path))
    return Checkpoint(options, content["model"], content["meta"], content["step"], path, content.get("made", ""))


def default_device() -> torch.device:
    """The GPU where there is one (under torchrun that of this process), else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
