"""A released checkpoint, read without running any code in it, to a checkpoint of ours."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contracts.errors import UserError
from engine.build.models import build_model
from models.base import WholeModel
from models.reference_keys import convert
from models.reference_keys.conversion import strip_parallel
from tools.import_csbsr.variants import Variant, recognise

REPAIR = "give a .pth file of weights that the authors released"
PLACES: dict[str, Callable[[WholeModel], tuple[nn.Module, str]]] = {  # a section's network, and its prefix in ours
    "network_sr": lambda model: (model.sr, "sr."),
    "network_seg": lambda model: (model.seg, "seg."),
    "network": lambda model: (model, ""),
}
FOREIGN_OBJECT = re.compile(r"GLOBAL ([\w.]+)|class ([\w.]+)|callable ([\w.]+)")


def read_released(path: Path) -> dict[str, Tensor]:
    """All tensors of a released checkpoint, without a leading ``module.`` in their names.

    Only tensors and plain containers are read (torch's ``weights_only``). Raises UserError where the file
    is missing, another thing, holds other objects, or weights that are not finite.
    """
    content = load_safely(path)
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} is no released checkpoint (no dictionary of tensors); {REPAIR}")
    if "format" in content and "model" in content:
        raise UserError(f"{path} is a checkpoint of this project already; use it as it is, with --weights {path}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(
                f"{path} is no released checkpoint ('{name}' is no tensor, found {type(value).__name__}); {REPAIR}"
            )
    state = strip_parallel(content)
    if len(state) != len(content):
        raise UserError(f"{path} has names both with and without 'module.' in front; {REPAIR}")
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path}: '{name}' holds numbers that are not finite; get the file again")
    return state


def load_safely(path: Path) -> Any:
    """The content of a file of tensors. Raises UserError where there is none, or it could run code."""
    if not path.is_file():
        raise UserError(f"{path} is no file; {REPAIR}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = refused_object(str(error))
        if refused is None:
            raise UserError(f"{path} is no readable checkpoint; {REPAIR}") from None
        raise UserError(
            f"{path} holds more than tensors ({refused}), refused by weights_only as reading it could run code; "
            f"{REPAIR}"
        ) from None
    except Exception as error:  # torch raises many unrelated types where the file is something else
        raise UserError(f"{path} is no readable checkpoint ({type(error).__name__}); {REPAIR}") from None


def refused_object(message: str) -> str | None:
    """The Python object that torch's safe reader names as the reason of its refusal, if there is one."""
    match = FOREIGN_OBJECT.search(message.split("WeightsUnpickler error", 1)[-1])
    return next(filter(None, match.groups())) if match else None


def build_empty(variant: Variant) -> WholeModel:
    """The model of a variant without memory for its weights. Raises UserError if there is none."""
    with torch.device("meta"):
        return build_model(variant.options(), pretrained=False)


def converted(variant: Variant, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a released checkpoint under the names of our model, in its precision.

    Raises UserError naming missing and unexpected tensors (three each, and their number), or another shape.
    """
    model = build_empty(variant)
    weights: dict[str, Tensor] = {}
    for section, options in variant.networks.items():
        network, prefix = PLACES[section](model)
        own = network.state_dict()
        if own:
            tensors = convert(options["type"], network, state)
            weights |= {prefix + name: as_ours(tensor, own[name]) for name, tensor in tensors.items()}
    return weights


def as_ours(tensor: Tensor, own: Tensor) -> Tensor:
    """A released tensor in the precision of ours, sharing no memory with others."""
    return tensor.detach().to(own.dtype).clone(memory_format=torch.contiguous_format)


def imported(path: Path) -> tuple[Variant, dict[str, Any]]:
    """The variant and our checkpoint (model, options, meta, step) of a released file. Raises UserError.

    The file does not tell how long it was trained, so step is 0; meta keeps its name and SHA-256.
    """
    state = read_released(path)
    try:
        variant = recognise(state.keys())
        weights = converted(variant, state)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    meta = {"released": variant.name, "imported_from": path.name, "sha256": digest}
    return variant, {"model": weights, "options": variant.options().model_dump(mode="json"), "meta": meta, "step": 0}
