"""Reads options files: YAML with ``base:`` inheritance, ``--force_yml`` changes, one-line errors."""

from __future__ import annotations

import copy
import difflib
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
from engine.options.renamed import of_today, rename_keys, today
from engine.options.section import Section, sections_in


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
    """Parse YAML text.

    Args:
        text: of a file or of an option.
        name: of that, for errors.

    Raises:
        UserError: for what is no YAML, with the line.
    """
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
    """Read one options file with the files it names under ``base`` below it.

    Args:
        path: of the file.
        seen: files that refer to it, absolute.

    Raises:
        UserError: for a file that is missing, not readable or refers back to itself.
    """
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
    """Return a tree of options, changed as BasicSR's --force_yml asks.

    Where the ``type`` of a section changes, what the new type does not know goes with the old one, unless it is
    given in the same breath, and so does what means something else: the number of images to draw limits no folder.

    Args:
        tree: of options, which is left as it is.
        changes: each ``a:b=c``; the value is read as YAML.

    Raises:
        UserError: for a change of another form, or of something that is not there.
    """
    tree, parsed = copy.deepcopy(tree), []
    for change in changes:
        keys, equals, text = change.partition("=")
        if not equals or not keys:
            raise UserError(f"--force_yml '{change}': write it as section:key=value")
        parsed += [(change, *new) for new in today(keys, parse_yaml(text, f"--force_yml {keys}"))]
    given = {keys for _, keys, _ in parsed}
    for keys in given:
        written = list(dict.fromkeys(change.partition("=")[0] for change, new, _ in parsed if new == keys))
        if len(written) > 1:
            raise UserError(f"--force_yml: {' and '.join(written)} are the same option; give one of them")
    for change, keys, value in parsed:
        node: Any = tree
        *parents, last = keys.split(":")
        for key in parents:
            node = _child(node, key, change)
        if isinstance(node, list):
            node[_index(node, last, change)] = value
        else:
            _forget(node, last, value, parents, given)
            node[last] = value
    return tree


def _forget(node: dict, key: str, new: Any, parents: list[str], given: set[str]) -> None:
    """If ``key`` says of which kind a section is, and that changes: drop what does not outlive it.

    Of networks and losses, whose other keys are the arguments of a class, nothing does.
    """
    models = _walk(Options, tuple(parents))[1]
    sections = [model for model in models if issubclass(model, Section)]
    if key != (sections[0].KIND if sections else "type"):
        return
    if not sections:
        dropped = set(node) if node.get(key, new) != new else set()
    else:
        field = sections[0].model_fields.get(key)
        changes = node.get(key, field.default if field else None) != new
        of_new = {name for model in sections if new in _types_of(model) for name in model.model_fields}
        idle = set(node) - of_new if len(sections) > 1 else set(sections[0].IDLE.get(str(new), ()))
        dropped = idle | set(sections[0].TIED) if changes else set()
    for name in (dropped - {key}) & set(node):
        if ":".join((*parents, name)) not in given:
            del node[name]


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
    """Read, merge, change and validate an options file.

    Args:
        path: of the file.
        changes: as ``force`` takes them.

    Raises:
        UserError: naming the YAML path; also for an option that would have no effect.
    """
    options = parse_options(force(read_tree(Path(path)), changes), str(path))
    if idle := without_effect(options):
        raise UserError(f"{path}: " + "; ".join(idle))
    return options


def change_options(kept: dict, changes: Iterable[str], name: str) -> Options:
    """The options kept with weights, changed.

    Args:
        kept: the options as plain data.
        changes: as ``force`` takes them; only these are asked for an effect.
        name: of the file of weights, for errors.

    Raises:
        UserError: naming the YAML path; also for a change that would have no effect.
    """
    kept = of_today(kept)
    before, options = without_effect(parse_options(kept, name)), parse_options(force(kept, changes), name)
    if idle := [message for message in without_effect(options) if message not in before]:
        raise UserError("--force_yml: " + "; ".join(idle))
    return options


def parse_options(tree: dict, name: str) -> Options:
    """Validate a tree of options.

    Args:
        tree: plain data, which is left as it is.
        name: of its file, for errors.

    Raises:
        UserError: naming the YAML path.
    """
    tree = copy.deepcopy(tree)
    rename_keys(tree, None)
    try:
        return Options.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{name}: " + "; ".join(describe(error, Options))) from None


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One short sentence for each mistake: the YAML path, what is wrong and the nearest valid key.

    Args:
        error: of pydantic.
        model: the section that was validated.
    """
    return [_sentence(item, model) for item in error.errors()]


def _sentence(item: Any, model: type[BaseModel]) -> str:
    keys, _ = _walk(model, item["loc"])
    path = ".".join(keys)
    if item["type"] == "extra_forbidden":
        return f"{path}: {_unknown(model, item['loc'])}"
    if item["type"] == "missing":
        return f"{path}: missing; add it"
    if item["type"] == "union_tag_invalid":
        return f"{path}.type: input should be one of {item['ctx']['expected_tags']}, got {item['ctx']['tag']!r}"
    if item["type"] == "union_tag_not_found":
        return f"{path}: give a section of options, got {item['input']!r}"
    message = item["msg"].removeprefix("Value error, ")
    given = item["input"]
    shown = f", got {given!r}" if isinstance(given, (str, int, float, bool, type(None))) else ""
    return f"{path + ': ' if path else ''}{message[0].lower() + message[1:]}{shown}"


def _unknown(model: type[BaseModel], loc: tuple) -> str:
    """What is said of a key that the section at ``loc`` has not: which type has it, or the nearest one."""
    key, (_, sections), (_, types) = loc[-1], _walk(model, loc[:-1]), _walk(model, loc[:-2])
    for other in types if sections[0] in types else ():
        if key in other.model_fields:
            own, its = (_types_of(section)[0] for section in (sections[0], other))
            return f"type {own} has none; leave it out, or set type: {its}"
    valid = sorted({name for section in sections for name in section.model_fields})
    below = {
        inner: f"{name}.{inner}"
        for section in sections
        for name, field in section.model_fields.items()
        for subsection in sections_in(field.annotation)
        for inner in subsection.model_fields
    }
    close, hint = difflib.get_close_matches(str(key), below, n=1), nearest(str(key), valid)
    if close and not hint:
        hint = f" (did you mean '{below[close[0]]}'?)"
    return f"unknown option{hint}; valid here: {', '.join(valid)}"


def _walk(model: type[BaseModel], loc: tuple) -> tuple[list[str], list[type[BaseModel]]]:
    """The keys of a place in the options, and the sections that may lie there: several where they differ by type."""
    keys: list[str] = []
    models = [model]
    for part in loc:
        tagged = [section for section in models if len(models) > 1 and part in _types_of(section)]
        if tagged:
            models = tagged
            continue
        keys.append(str(part))
        if not isinstance(part, int) and not (isinstance(part, str) and part.isdigit()):
            fields = [section.model_fields[part] for section in models if part in section.model_fields]
            models = list(dict.fromkeys(inner for field in fields for inner in sections_in(field.annotation)))
    return keys, models


def _types_of(model: type[BaseModel]) -> tuple:
    return typing.get_args(model.model_fields["type"].annotation) if "type" in model.model_fields else ()
