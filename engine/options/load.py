"""Reads options files: YAML with ``base:`` inheritance, ``--force_yml`` changes, one-line errors."""

from __future__ import annotations

import copy
import os
import re
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from contracts.errors import UserError, nearest
from engine.options import Options
from engine.options.effects import without_effect
from engine.options.renamed import rename_keys, renamed
from engine.options.section import Section


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 2e-5 as a number (YAML 1.2) and refuses a key given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key, line = loader.construct_object(key_node), key_node.start_mark.line + 1
        if isinstance(key, (dict, list)):
            raise UserError(f"{node.start_mark.name}: line {line}: a key has to be a name")
        if key in seen:
            raise UserError(f"{node.start_mark.name}: line {line}: '{key}' twice")
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def parse_yaml(text: str, name: str) -> Any:
    """Parse YAML text; ``name`` appears in errors. Raises UserError naming the line."""
    try:
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or "not readable"
        raise UserError(f"{name}:{line} not valid YAML ({problem})") from None


def merge(base: dict, change: dict) -> dict:
    """Return ``base`` with ``change`` laid over it; a section whose ``type`` changes is replaced."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and value.get("type", old.get("type")) == old.get("type"):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def read_tree(path: Path, seen: tuple[Path, ...] = ()) -> dict:
    """Read one options file with the files it names under ``base`` below it."""
    if not path.is_file():
        raise UserError(f"options file {path} does not exist; see the files in options/")
    if path.resolve() in seen:
        raise UserError(f"{path}: base refers back to itself")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} is no readable text; give a file such as options/joint.yml") from None
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        raise UserError(f"{path}: an options file holds 'key: value' lines, found {type(tree).__name__}")
    rename_keys(tree, str(path))
    base = tree.pop("base", None)
    if base is None:
        return tree
    return merge(read_tree(path.parent / os.path.expanduser(str(base)), (*seen, path.resolve())), tree)


def force(tree: dict, changes: Iterable[str]) -> dict:
    """Apply ``a:b=c`` changes (BasicSR's --force_yml); the value is read as YAML.

    Where the ``type`` of a section changes, what the new type does not know goes with the old one, unless it is
    given in the same breath, and so does what means something else: the number of images to draw limits no folder.
    """
    tree, changes = copy.deepcopy(tree), [_of_today(change) for change in changes]
    given = {change.partition("=")[0] for change in changes}
    for change in changes:
        keys, equals, value = change.partition("=")
        if not equals or not keys:
            raise UserError(f"--force_yml '{change}': write it as section:key=value")
        node: Any = tree
        *parents, last = keys.split(":")
        for key in parents:
            node = _child(node, key, change)
        parsed = parse_yaml(value, f"--force_yml {keys}")
        if isinstance(node, list):
            node[_index(node, last, change)] = parsed
        else:
            _forget(node, last, parsed, parents, given)
            node[last] = parsed
    return tree


def _of_today(change: str) -> str:
    """The change with names of today."""
    keys, equals, value = change.partition("=")
    return renamed(keys, f"--force_yml {keys}") + equals + value


def _forget(node: dict, key: str, new: Any, parents: list[str], given: set[str]) -> None:
    """If ``key`` says of which kind a section is, and that changes: drop what does not outlive it.

    Of networks, whose other keys are the arguments of a class, nothing does.
    """
    model = _section_at(Options, parents)
    if key != (model.KIND if model is not None else "type"):
        return
    if model is None:
        dropped = set(node) if node.get(key, new) != new else set()
    else:
        changes = node.get(key, model.model_fields[key].default if key in model.model_fields else None) != new
        dropped = {*model.IDLE.get(str(new), ()), *model.TIED} if changes else set()
    for one in dropped & set(node):
        if ":".join((*parents, one)) not in given:
            del node[one]


def _section_at(model: type[BaseModel], keys: Iterable[str]) -> type[Section] | None:
    """The section that a path of keys leads to; None for a network, or an entry of a list of free form."""
    for key in keys:
        found = _models(model.model_fields[key].annotation) if key in model.model_fields else []
        if key.isdigit():
            continue
        if not found:
            return None
        model = found[0]
    return model if issubclass(model, Section) else None


def _child(node: Any, key: str, change: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, key, change)]
    child = node.setdefault(key, {})
    if not isinstance(child, (dict, list)):
        raise UserError(f"--force_yml '{change}': '{key}' is a value, not a section")
    return child


def _index(node: list, key: str, change: str) -> int:
    if not key.isdigit() or int(key) >= len(node):
        raise UserError(f"--force_yml '{change}': '{key}' is no position in a list of {len(node)}")
    return int(key)


def load_options(path: str | Path, changes: Iterable[str] = ()) -> Options:
    """Read, merge, change and validate an options file. Raises UserError naming the YAML path.

    So does it for an option that would have no effect.
    """
    options = parse_options(force(read_tree(Path(path)), changes), str(path))
    idle = without_effect(options)
    if idle:
        raise UserError(f"{path}: " + "; ".join(idle))
    return options


def change_options(kept: dict, changes: Iterable[str], name: str) -> Options:
    """The options kept in the file ``name`` with changes; only these are asked for an effect. Raises UserError."""
    before, options = without_effect(parse_options(kept, name)), parse_options(force(kept, changes), name)
    idle = [told for told in without_effect(options) if told not in before]
    if idle:
        raise UserError("--force_yml: " + "; ".join(idle))
    return options


def parse_options(tree: dict, name: str) -> Options:
    """Validate a tree of options; ``name`` (a file) appears in errors."""
    tree = copy.deepcopy(tree)
    rename_keys(tree, None)
    try:
        return Options.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{name}: " + "; ".join(describe(error, Options))) from None


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One short sentence for each mistake: the YAML path, what is wrong and the nearest valid key."""
    return [_sentence(item, model) for item in error.errors()]


def _sentence(item: Any, model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        valid = _keys_at(model, item["loc"][:-1])
        return f"{path}: unknown option{nearest(str(item['loc'][-1]), valid)}; valid here: {', '.join(valid)}"
    if item["type"] == "missing":
        return f"{path}: missing; add it"
    message = item["msg"].removeprefix("Value error, ")
    given = item["input"]
    shown = f", got {given!r}" if isinstance(given, (str, int, float, bool, type(None))) else ""
    return f"{path + ': ' if path else ''}{message[0].lower() + message[1:]}{shown}"


def _keys_at(model: type[BaseModel], loc: tuple) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue
        found = list(_models(model.model_fields[part].annotation)) if part in model.model_fields else []
        if not found:
            return []
        model = found[0]
    return sorted(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]
