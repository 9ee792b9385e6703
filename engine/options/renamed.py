"""Options that are written in another way now. The old way keeps working; a line names the new one."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from contracts.errors import UserError
from engine.options.data import Augmentation, Drawn, Folder, Loader, TrainDrawn, TrainFolder

RENAMED = {
    "train.recompute": "train.gradient_checkpointing",
    "train.accumulate": "train.accumulate_grad_batches",
    "train.sharp_share": "train.sharp_fraction",
    "train.stages.*.share": "train.stages.*.fraction",
    **{f"datasets.train.{key}": f"datasets.train.augmentation.{key}" for key in Augmentation.model_fields},
    **{f"datasets.train.{key}": f"datasets.train.loader.{key}" for key in Loader.model_fields},
}
SECTIONS = {"segmentation": "type", "affinity": "weight"}  # of losses: what was a value is this key of a section


def rename_keys(tree: dict[str, Any], file: str | None) -> None:
    """Write a tree of options as of today, in place.

    Args:
        tree: of an options file, or a part of one.
        file: named in the line about the changes; None: nothing is said.

    Raises:
        UserError: where an option is given in both ways.
    """
    notes: list[str] = []
    for old, new in RENAMED.items():
        parent, _, key = old.rpartition(".")
        *sections, name = new.removeprefix(parent + ".").split(".")
        for node in _nodes(tree, parent.split(".")):
            if key not in node:
                continue
            target = node
            for section in sections:
                target = target.setdefault(section, {})
            if name in target:
                raise UserError(f"{file or 'options'}: {old} is the old name of {new}; give one of them")
            target[name] = node.pop(key)
            notes.append(f"{old} is {new}")
    for loss in _nodes(tree, ["loss"]):
        for name, key in SECTIONS.items():
            notes += _to_section(loss, name, key, file or "options")
    _tell(file, notes)


def of_today(kept: dict[str, Any]) -> dict[str, Any]:
    """Options kept with weights, as of today: earlier versions also kept what their type of photographs has not."""
    tree = copy.deepcopy(kept)
    rename_keys(tree, None)
    _drop_idle(tree)
    return tree


def _nodes(tree: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """The mappings at a path; ``*`` stands for every entry of a list."""
    if not path:
        if isinstance(tree, dict):
            yield tree
    elif path[0] == "*":
        for entry in tree if isinstance(tree, list) else ():
            yield from _nodes(entry, path[1:])
    elif isinstance(tree, dict):
        yield from _nodes(tree.get(path[0]), path[1:])


def _to_section(loss: dict[str, Any], name: str, key: str, file: str) -> list[str]:
    """``NAME: value`` and ``NAME_args: {...}`` become ``NAME: {KEY: value, ...}``; returns notes of that."""
    notes = []
    if name in loss and not isinstance(loss[name], dict):
        notes.append(f"loss.{name} is loss.{name}.{key}")
        loss[name] = {key: loss[name]}
    if f"{name}_args" in loss:
        arguments = loss.pop(f"{name}_args")
        if not isinstance(arguments, dict):
            raise UserError(f"{file}: loss.{name}_args: give a mapping of arguments")
        notes.append(f"loss.{name}_args belong to loss.{name}")
        loss[name] = {**loss.get(name, {}), **arguments}
    return notes


def _drop_idle(tree: dict[str, Any]) -> None:
    """Leave out of each entry of ``datasets`` what only the other type of photographs has."""
    types: dict[str, tuple[type[BaseModel], ...]] = {"synthetic": (Drawn, TrainDrawn), "folder": (Folder, TrainFolder)}
    for datasets in _nodes(tree, ["datasets"]):
        for entry in datasets.values():
            if not isinstance(entry, dict) or entry.get("type", "synthetic") not in types:
                continue
            kind = entry.get("type", "synthetic")
            own = {key for model in types[kind] for key in model.model_fields}
            others = {key for models in types.values() for model in models for key in model.model_fields}
            for key in (others - own) & set(entry):
                del entry[key]


def today(keys: str, value: Any) -> list[tuple[str, Any]]:
    """A change of ``--force_yml`` as of today.

    Args:
        keys: what is changed, ``a:b``.
        value: its new value.

    Returns:
        Such pairs; of several arguments one each.

    Raises:
        UserError: where an option is given in both ways.
    """
    path, file = keys.split(":"), f"--force_yml {keys}"
    for length in range(len(path), 0, -1):
        old = ".".join("*" if key.isdigit() else key for key in path[:length])
        if old in RENAMED:
            _tell(file, [f"{old} is {RENAMED[old]}"])
            positions = iter([key for key in path[:length] if key.isdigit()])
            new = [next(positions) if key == "*" else key for key in RENAMED[old].split(".")]
            return [(":".join([*new, *path[length:]]), value)]
    name = path[1].removesuffix("_args") if path[0] == "loss" and len(path) > 1 else ""
    if name in SECTIONS and (path[1] != name or (len(path) == 2 and not isinstance(value, dict))):
        loss: dict[str, Any] = {path[1]: value} if len(path) == 2 else {f"{name}_args": {":".join(path[2:]): value}}
        _tell(file, _to_section(loss, name, SECTIONS[name], file))
        return [(f"loss:{name}:{key}", below) for key, below in loss[name].items()]
    tree = value
    for key in reversed(path):
        tree = [tree] if key.isdigit() else {key: tree}
    if isinstance(tree, dict):
        rename_keys(tree, file)
    for key in path:
        tree = tree[0] if isinstance(tree, list) else tree[key]
    return [(keys, tree)]


def _tell(file: str | None, notes: list[str]) -> None:
    if notes and file is not None and os.environ.get("RANK", "0") == "0":
        print(f"{file}: {', '.join(dict.fromkeys(notes))} now; the old way still works", flush=True)
