"""Which photographs weights have seen, and what is said of the photographs before they are used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from contracts.errors import UserError
from data.facts import describe, digests_of, repeated
from data.protocol import Source
from engine.options import Options
from engine.runtime.checkpoint import load_file

PHOTOGRAPHS = "photographs"  # key of a checkpoint's meta: the digests of what it was trained on and chosen by
FIRST = 3


def digests_seen(train: Source, val: Source | None, before: Collection[str] = ()) -> dict[str, list[str]]:
    """The digests of the photographs to train on and to validate with, as a checkpoint keeps them.

    Args:
        train: photographs to train on.
        val: photographs to validate with, None: none.
        before: digests of those that were trained on earlier, as ``seen_before`` tells.

    Returns:
        Digests under "train" and "val".
    """
    own = digests_of(train)
    return {"train": [*own, *sorted(set(before) - set(own))], "val": [] if val is None else digests_of(val)}


def seen_before(options: Options) -> set[str]:
    """The digests of the photographs that weights to start from, and a teacher, were trained on.

    What they do not tell counts as none; files that are missing or cannot be read are for others to complain of.
    """
    networks = (options.network, options.network_sr, options.network_seg)
    files = [*(network.weights for network in networks if network is not None), options.train.teacher]
    seen: set[str] = set()
    for path in dict.fromkeys(file for file in files if file is not None):
        with suppress(UserError):
            seen.update(load_file(path).get("meta", {}).get(PHOTOGRAPHS, {}).get("train", ()))
    return seen


def without_photographs(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a checkpoint for people to read: without the digests."""
    return {key: value for key, value in meta.items() if key != PHOTOGRAPHS}


def lines_of_training(train: Source, val: Source | None) -> list[str]:
    """What is said of the photographs before a training, each line once.

    Args:
        train: photographs to train on.
        val: photographs to validate with, None: none.
    """
    lines = describe(train, "datasets.train")
    if val is not None:
        notes = {line.partition(": ")[2] for line in lines}
        lines += [line for line in describe(val, "validation") if line.partition(": ")[2] not in notes]
        shared = repeated(val, set(digests_of(train)))
        if shared:
            lines.append(f"warning: {len(shared)} photographs to validate with are trained on too, first '{shared[0]}'")
    return lines


def lines_of_test(source: Source, meta: Mapping[str, Any]) -> list[str]:
    """What is said of the photographs before an evaluation.

    Args:
        source: photographs to test with.
        meta: facts kept with the weights.
    """
    chosen_by = repeated(source, set(meta.get(PHOTOGRAPHS, {}).get("val", ())))
    lines = describe(source, "datasets.test")
    if chosen_by:
        which = f"{len(chosen_by)} of them, first '{chosen_by[0]}'"
        lines.append(f"warning: datasets.test: the weights were chosen by {which}")
    return lines


def count_trained_on(source: Source, meta: Mapping[str, Any], allowed: bool) -> int:
    """Return how many photographs to test with the weights were trained on.

    Args:
        source: photographs to test with.
        meta: facts kept with the weights; those that do not tell count as trained on none.
        allowed: whether there may be any.

    Raises:
        UserError: for any, unless ``allowed``.
    """
    seen = repeated(source, set(meta.get(PHOTOGRAPHS, {}).get("train", ())))
    if seen and not allowed:
        names = ", ".join(f"'{name}'" for name in seen[:FIRST]) + (", ..." if len(seen) > FIRST else "")
        raise UserError(
            f"datasets.test: the weights were trained on {len(seen)} of these {len(source)} photographs ({names}), so "
            "scores would tell nothing; give others, or score them all the same with --allow-training-photographs"
        )
    return len(seen)
