"""What the values of masks mean, decided once for all masks of a set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.errors import UserError
from contracts.names import first_of
from data.masks import FAINT, Kind, MaskFacts, Scale

FIRST = 4  # names told
SHOWN = 6  # values told
FEWEST, LARGEST_PART, LEAST = 3, 0.9, 0.05  # of the values of soft edges: see _spread


def decide_scale(
    names: Sequence[str], masks: Sequence[MaskFacts], values: Sequence[int] | None = None, least: int | None = None
) -> Scale:
    """Return the scale of a set's masks, or the one asked for.

    Without ``values`` and ``least``, the full range of each kind of file is the smallest of 1, 255 and 65535 that holds
    the largest value of the set (255 for JPEG), and values between 0 and full are taken for what soft edges and JPEG
    leave, or else refused.

    Args:
        names: files of the masks.
        masks: what their values look like.
        values: those that mean crack.
        least: the smallest that means crack.

    Raises:
        UserError: naming files, values and the repair; and where what is asked for fits no mask.
    """
    if values is not None or least is not None:
        return _asked_for(names, masks, values, least)
    full: dict[Kind, int] = {}
    for mask in masks:
        full[mask.kind] = max(full.get(mask.kind, 1), mask.full)
    unclear = [mask.values[-1] > 0 and (mask.full != full[mask.kind] or not mask.edges) for mask in masks]
    soft = [not is_unclear and mask.kind != "lossy" for mask, is_unclear in zip(masks, unclear, strict=True)]
    if not _spread([mask for mask, is_soft in zip(masks, soft, strict=True) if is_soft]):
        unclear = [unclear[index] or (soft[index] and bool(mask.between().any())) for index, mask in enumerate(masks)]
    if any(unclear):
        raise _refusal(names, masks, unclear, full)
    return Scale(full)


def _asked_for(
    names: Sequence[str], masks: Sequence[MaskFacts], values: Sequence[int] | None, least: int | None
) -> Scale:
    lossy = next((name for name, mask in zip(names, masks, strict=True) if mask.kind == "lossy"), None)
    if values is not None and lossy is not None:
        raise UserError(f"crack_values: JPEG and its like do not keep values ('{lossy}'); say crack_from: N instead")
    scale = Scale({}, None if values is None else tuple(values), least)
    if not any(mask.share(scale) for mask in masks):
        held = first_of(sorted({int(value) for mask in masks for value in mask.values}), SHOWN)
        asked = f"crack_from: {least}" if values is None else f"crack_values: {list(values)}"
        raise UserError(f"{asked}: no mask holds such a value; they hold {held}")
    return scale


def _spread(masks: Sequence[MaskFacts]) -> bool:
    """Whether the values in between, if any, are soft edges or JPEG's ringing, and not one or two classes.

    Edges leave values of many kinds, also strong ones; ringing dents what is full as it raises what is 0.
    """
    counts = np.zeros(65536, np.int64)
    dented, strong = sum(mask.nearly_full() for mask in masks), 0
    for mask in masks:
        between = mask.between()
        counts[mask.values[between]] += mask.counts[between]
        strong += int(mask.counts[between & (mask.values > FAINT * mask.full)].sum())
    total = int(counts.sum())
    several = np.count_nonzero(counts) >= FEWEST and counts.max() <= LARGEST_PART * total
    return dented >= LEAST * total or bool(several and strong >= LEAST * total)


def _refusal(
    names: Sequence[str], masks: Sequence[MaskFacts], unclear: Sequence[bool], full: dict[Kind, int]
) -> UserError:
    refused = [(name, mask) for name, mask, is_unclear in zip(names, masks, unclear, strict=True) if is_unclear]
    counts = np.zeros(65536, np.int64)
    for _, mask in refused:
        between = (mask.values > 0) & (mask.values < full[mask.kind])
        counts[mask.values[between]] += mask.counts[between]
    common = sorted(int(value) for value in np.argsort(-counts, kind="stable")[:SHOWN] if counts[value])
    more = " and others" if np.count_nonzero(counts) > len(common) else ""
    limits = first_of(sorted({full[mask.kind] for _, mask in refused}), SHOWN)
    which = first_of([f"'{name}'" for name, _ in refused], FIRST)
    if any(mask.kind == "lossy" for _, mask in refused):
        repair = f"say from which value on it is crack, such as crack_from: {max(1, common[-1] // 2)}"
    else:
        crack = sorted({*common, *(full[mask.kind] for mask in masks if mask.values[-1] == full[mask.kind])})
        listed = f"crack_values: {crack[:SHOWN]}"
        repair = f"list those that mean crack (all else is background), as {listed}, or say crack_from: N"
    finding = f"{len(refused)} of {len(masks)} masks hold values that are neither 0 nor {limits}"
    return UserError(f"{finding}: {first_of(common, SHOWN)}{more} ({which}); {repair}; or correct the files")
