"""The trainings of a cross-validation as one, and in what two results were measured otherwise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from comparison.systems import Images, Run
from contracts.errors import UserError


def merged(folds: Sequence[Run]) -> Run:
    """The trainings of a cross-validation as one that was tested on all photographs.

    Raises UserError for a photograph in two of them, and for folds that were not measured alike.
    """
    first, *others = folds
    if not others:
        return first
    own = {"photographs", "images"}
    for fold in others:
        for key, ours, theirs in differences(first.meta["protocol"], fold.meta["protocol"], own):
            raise UserError(
                f"{first.folder} and {fold.folder} are no folds of one training: {key} is {ours} and {theirs}"
            )
    shared = [name for name in first.conditions if all(name in fold.conditions for fold in others)]
    conditions = {name: _together([fold.conditions[name] for fold in folds]) for name in shared}
    protocols = [fold.meta["protocol"] for fold in folds]
    protocol = {
        **protocols[0],
        "photographs": [protocol["photographs"] for protocol in protocols],
        "images": sum(protocol["images"] for protocol in protocols),
    }
    meta = {**first.meta, "protocol": protocol, "compute": _summed([fold.meta.get("compute", {}) for fold in folds])}
    return Run(first.folder, meta, conditions, first.system, tuple(folds))


def _together(parts: Sequence[Images]) -> Images:
    names = tuple(name for part in parts for name in part.names)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(f"'{twice[0]}' was tested in two folds; every photograph belongs to one")
    common = set.intersection(*(set(part.columns) for part in parts))
    return Images(names, {key: np.concatenate([part.columns[key] for part in parts]) for key in sorted(common)})


def _summed(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all folds cost together; what one of them does not tell is left out."""
    keys = [key for key in ("multiply_adds", "seconds") if all(cost.get(key) is not None for cost in costs)]
    return {key: sum(cost[key] for cost in costs) for key in keys}


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], ignored: set[str], path: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Dotted names of the entries that differ, and both values in short."""
    for key in dict.fromkeys((*first, *second)):
        ours, theirs = first.get(key), second.get(key)
        if path + key in ignored or ours == theirs:
            continue
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from differences(ours, theirs, ignored, f"{path}{key}.")
        else:
            yield path + key, _short(ours), _short(theirs)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
