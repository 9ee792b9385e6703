"""The weights that are measured, loaded and used as predict.py loads and uses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from contracts.errors import UserError
from engine.build.checkpoint import Checkpoint, default_device, find_checkpoint
from engine.build.seen import without_photographs
from engine.options import Options
from engine.predict.plan import Settings
from engine.predict.resume import digest
from engine.predict.tiled_model import TiledModel
from engine.runtime.precision import Precision, choose
from metrics.baselines import BASELINES

MAIN = "model"  # what the weights that all is about are called in tables


@dataclass(frozen=True)
class System:
    """Weights under a name; precision: of the networks on ``device``."""

    name: str
    checkpoint: Checkpoint
    device: torch.device
    precision: Precision

    @cached_property
    def model(self) -> TiledModel:
        """The networks, with the tiles that predict.py takes if it is not told otherwise."""
        usual = Settings()
        return TiledModel(self.checkpoint.model(), self.device, usual.tile, usual.overlap, self.precision)

    @property
    def options(self) -> Options:
        """Those of the weights."""
        return self.checkpoint.options

    @property
    def minimum_area(self) -> int:
        """Regions of fewer pixels are no cracks."""
        return self.options.postprocess.minimum_area

    def facts(self) -> dict[str, Any]:
        """What tells these weights from others, as plain data."""
        meta = without_photographs(self.checkpoint.meta)
        return {
            "weights": str(self.checkpoint.path),
            "digest": _digest(self.checkpoint.path),
            "name": self.options.name,
            "step": self.checkpoint.step,
            "scale": self.options.scale,
            "precision": self.precision.name,
            "trained_at": meta.get("git"),
            "training_data": meta.get("data"),
        }


def load_system(name: str, weights: str | None, precision: str = "auto") -> System:
    """Load weights as predict.py finds them.

    Args:
        name: of the system in tables.
        weights: a file, or None for those that predict.py takes by itself.
        precision: as for ``engine.runtime.precision.choose``; "auto": what their options ask of evaluations.

    Raises:
        UserError: for weights that cannot be read.
    """
    checkpoint = find_checkpoint(weights=weights)
    device = default_device()
    resolved = choose(checkpoint.options.evaluation.precision if precision == "auto" else precision, device)
    return System(name, checkpoint, device, resolved)


def load_others(named_weights: list[tuple[str, str]], main: System, precision: str = "auto") -> list[System]:
    """The systems to compare with.

    Args:
        named_weights: (name, weights) of each.
        main: the system that they are compared with.
        precision: as of ``load_system``.

    Raises:
        UserError: for a name that is taken, and weights of another scale: their inputs would be others.
    """
    names, others = {MAIN, *BASELINES}, []
    for name, weights in named_weights:
        if name in names:
            raise UserError(f"--against {name}={weights}: the name is taken; give another one")
        names.add(name)
        other = load_system(name, weights, precision)
        if other.options.scale != main.options.scale:
            mismatch = f"scale {other.options.scale}, not {main.options.scale} as {main.checkpoint.path}"
            raise UserError(f"--against {name}={weights}: {mismatch}; give weights of the same scale")
        others.append(other)
    return others


def _digest(path: Path) -> str:
    """The sha256 of weights: of the file, or of the one that holds the tensors in a folder of them."""
    return digest(next(iter(sorted(path.glob("*.safetensors"))), path) if path.is_dir() else path)
