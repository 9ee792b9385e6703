"""Checkpoints: written atomically, read safely (weights only), checked against the architecture."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from contracts.errors import UserError
from contracts.files import replacing
from engine.runtime.shipped import resolve
from engine.runtime.weights_folder import is_folder, read_folder

FORMAT = 1
REPAIR = "give weights that train_joint.py wrote"


def save_atomic(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all (``contracts.files.replacing``).

    Args:
        content: its entries.
        path: of the file.

    Raises:
        UserError: where the disk refuses; what was at ``path`` before is then still there.
    """
    with replacing(path, "make room, or choose another path.experiments_root (what was saved before is kept)") as file:
        try:
            torch.save({"format": FORMAT, **content}, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides a full disk behind its own error
                raise error.__context__ from None
            raise


def load_file(path: str | Path, *needed: str) -> dict[str, Any]:
    """Read a checkpoint of ours, with weights under "model".

    Args:
        path: of a file, of a folder of weights as it is shipped, or the name alone of one of those.
        needed: further entries that it has to have.

    Raises:
        UserError: where the file is missing, another thing, or lacks an entry.
    """
    path = resolve(path)
    if is_folder(path):
        return read_folder(path)
    if not path.is_file():
        raise UserError(f"weights {path} do not exist; train first, or give another file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many unrelated types where the file is something else
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"{path} is no readable checkpoint ({reason}); {REPAIR}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is no checkpoint of this project (no format {FORMAT} entry); {REPAIR}")
    lacking = [name for name in ("model", *needed) if name not in content]
    if lacking:
        raise UserError(f"{path} is no complete checkpoint (no entry '{lacking[0]}'); {REPAIR}")
    return content


def load_weights(
    module: nn.Module, state: dict[str, torch.Tensor], source: str, may_lack: tuple[str, ...] = ()
) -> None:
    """Load weights strictly.

    Args:
        module: to load them into.
        state: tensors by name.
        source: what they are of, for errors.
        may_lack: beginnings of names that may all be absent, parts that are then left as they are.

    Raises:
        UserError: that names what does not fit.
    """
    own = module.state_dict()
    added = {key for key in own if key.startswith(may_lack)} if may_lack else set()
    if not added & state.keys():
        own = {key: value for key, value in own.items() if key not in added}
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    faults = [("missing", missing), ("unexpected", unexpected), ("of another size", shapes)]
    messages = [f"{len(names)} {what} (first: {names[0]})" for what, names in faults if names]
    if messages:
        raise UserError(
            f"{source}: weights of another architecture: {', '.join(messages)}; "
            "use the options file they were trained with"
        )
    module.load_state_dict(state, strict=not may_lack)


def rng_state() -> dict[str, Any]:
    """All random states as plain tensors, numbers and lists."""
    version, keys, gauss = random.getstate()
    of_numpy = np.random.get_state()
    assert isinstance(of_numpy, tuple)
    name, array, position, has_gauss, cached = of_numpy
    return {
        "python": [version, list(keys), gauss],
        "numpy": [name, torch.from_numpy(array.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "devices": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_rng(state: dict[str, Any]) -> None:
    """Put back what ``rng_state`` returned (device states only where the devices are there)."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, array, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, array.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["devices"] and len(state["devices"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["devices"])
