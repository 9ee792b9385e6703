"""Weights as a folder in the layout of model hubs: what is shipped, read as carefully as a checkpoint.

config.json: the format, the step, the scale, the resolved options, facts of the training (``meta``), when it was made,
and the SHA-256 of the other two; model.safetensors: the tensors, which cannot hold code; photographs.json: the digests
of the photographs that the weights were trained on and chosen by; README.md: the model card, for people.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from contracts.errors import UserError
from contracts.files import write_bytes, write_text

FORMAT = "csbsr-weights/1"
CONFIG, TENSORS, PHOTOGRAPHS, CARD = "config.json", "model.safetensors", "photographs.json", "README.md"
REPAIR = "fetch the folder again, or give other weights"
ENTRIES = {"step": int, "scale": int, "options": dict, "meta": dict, "made": str, "sha256": dict}  # of config.json
HALF_ERROR = 2**-10  # relative, twice what rounding to float16 costs: more means that it lost small or large numbers
FLOOR = 1e-3  # rows of a matrix below this share of its largest number may lose digits


def is_folder(path: Path) -> bool:
    """Whether a path stands for such weights: a folder, or the tensors in one."""
    return path.is_dir() or path.name == TENSORS


def read_folder(folder: Path) -> dict[str, Any]:
    """The entries of a checkpoint ("model", "step", "meta", "options") and "made"; floats become float32.

    Raises UserError, one line, for what is missing, damaged or of another kind, and for numbers that are not finite.
    """
    config = read_config(folder)
    held = {name: _read(folder, name, config["sha256"]) for name in (TENSORS, PHOTOGRAPHS)}
    try:
        tensors = load(held[TENSORS])
    except (SafetensorError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise _fault(folder, f"{TENSORS} holds no readable tensors ({_short(error)})") from None
    model = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    for name, value in model.items():
        if value.is_complex() or not torch.isfinite(value).all():
            raise _fault(folder, f"{TENSORS}: '{name}' is not finite, or no real number")
    seen = _parse(folder, PHOTOGRAPHS, held[PHOTOGRAPHS])
    if not all(
        isinstance(digests, list) and all(isinstance(digest, str) for digest in digests) for digests in seen.values()
    ):
        raise _fault(folder, f"{PHOTOGRAPHS} holds no lists of digests")
    kept = {name: config[name] for name in ("step", "options", "made")}
    return {"model": model, **kept, "meta": {**config["meta"], "photographs": seen}}


def read_config(folder: Path) -> dict[str, Any]:
    """The content of config.json, its entries checked. Raises UserError."""
    path = folder / CONFIG
    if not path.is_file():
        message = f"a folder without {CONFIG}; give a file such as models/best.pth, or a folder of tools.ship"
        raise UserError(f"weights {folder}: {message}")
    config = _parse(folder, CONFIG, path.read_bytes())
    if config.get("format") != FORMAT:
        raise _fault(folder, f"{CONFIG} is not of the format {FORMAT}")
    for name, kind in ENTRIES.items():
        if not isinstance(config.get(name), kind):
            raise _fault(folder, f"{CONFIG} has no entry '{name}' ({kind.__name__})")
    if config["scale"] != config["options"].get("scale"):
        raise _fault(folder, f"{CONFIG}: scale {config['scale']} is not that of its options")
    made_at(folder, config["made"])
    return config


def made_at(folder: Path, made: str) -> float:
    """The entry "made" in seconds since 1970.

    Args:
        folder: of the weights, for errors.
        made: the entry, ISO 8601.

    Raises:
        UserError: for something else than a date with its time zone.
    """
    try:
        date = datetime.fromisoformat(made)
        if date.tzinfo is None:
            raise ValueError("no time zone")
        return date.timestamp()
    except (ValueError, OverflowError):
        raise _fault(folder, f"{CONFIG}: made '{made[:40]}' is no date") from None


def write_folder(folder: Path, content: dict[str, Any], card: str) -> None:
    """Write weights as they are shipped, floats in float16 where that is close enough.

    Args:
        folder: made if missing.
        content: entries of a checkpoint.
        card: the model card, Markdown.

    Raises:
        UserError: for numbers that are not finite, and where the disk refuses.
    """
    seen = content["meta"].get("photographs", {})
    files = {
        TENSORS: save({name: halved(name, value) for name, value in content["model"].items()}, {"format": "pt"}),
        PHOTOGRAPHS: json.dumps(seen, separators=(",", ":")).encode(),
    }
    config = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": content["step"],
        "scale": content["options"]["scale"],
        "meta": {name: value for name, value in content["meta"].items() if name not in ("photographs", "run_id")},
        "sha256": {name: hashlib.sha256(held).hexdigest() for name, held in files.items()},
        "options": content["options"],
    }
    for name, held in files.items():
        write_bytes(folder / name, held)
    write_text(folder / CONFIG, json.dumps(config, indent=1) + "\n")
    write_text(folder / CARD, card)


def halved(name: str, value: Tensor) -> Tensor:
    """A float tensor in float16, or in float32 where that would overflow or lose digits; others as they are.

    Args:
        name: of the tensor, for errors.
        value: the tensor.

    Raises:
        UserError: unless all is finite.
    """
    if not value.is_floating_point():
        return value.contiguous().clone()
    if not torch.isfinite(value).all():
        raise UserError(f"'{name}' is not finite: the training has failed; ship weights of an earlier step")
    half = value.half().contiguous()
    return half if relative_error(value, half) <= HALF_ERROR else value.float().contiguous().clone()


def relative_error(exact: Tensor, rounded: Tensor) -> float:
    """The largest error, relative to the largest number of its row: of each number by itself in a vector.

    Rows, those of the first dimension, are an output channel each; none counts as smaller than ``FLOOR`` of all.

    Args:
        exact: a tensor of any shape.
        rounded: the same, rounded.
    """
    if not exact.numel():
        return 0.0
    rows, values = (matrix.double().reshape(exact.shape[0] if exact.ndim else 1, -1) for matrix in (exact, rounded))
    largest = rows.abs().amax(1)
    if exact.ndim > 1:
        largest = largest.clamp_min(FLOOR * float(largest.max()))
    error = (rows - values).abs().amax(1) / largest.clamp_min(torch.finfo(torch.float64).tiny)
    worst = float(error.max())
    return math.inf if math.isnan(worst) else worst


def _read(folder: Path, name: str, digests: dict[str, Any]) -> bytes:
    path = folder / name
    if not path.is_file():
        raise _fault(folder, f"{name} is missing")
    held = path.read_bytes()
    if hashlib.sha256(held).hexdigest() != digests.get(name):
        raise _fault(folder, f"{name} is damaged, or of other weights than {CONFIG} (its SHA-256 differs)")
    return held


def _parse(folder: Path, name: str, held: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(held)
    except (ValueError, RecursionError) as error:
        raise _fault(folder, f"{name} is no JSON ({_short(error)})") from None
    if not isinstance(parsed, dict):
        raise _fault(folder, f"{name} holds no entries")
    return parsed


def _fault(folder: Path, what: str) -> UserError:
    return UserError(f"weights {folder}: {what}; {REPAIR}")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
