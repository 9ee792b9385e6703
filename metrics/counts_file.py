"""counts.npz: the pixel counts of every image of an evaluation at 99 thresholds, from which figures can be made anew.

Arrays by the name ``SYSTEM/CONDITION/FIELD``, such as ``model/degraded/true_positive``: true_positive, false_positive
and false_negative, int32 [N,99], and pixels, int64 [N], in the order of ``names`` [N]. A
condition of K degradation draws holds K * N rows: all images in their first draw, then in the next.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from contracts.files import replacing
from metrics.sweep import THRESHOLDS, Counts

COUNTS = "counts.npz"
_CURVES = ("true_positive", "false_positive", "false_negative")


@dataclass(frozen=True)
class SavedCounts:
    """What a counts.npz holds.

    Attributes:
        names: of the images, in their order.
        counts: int64 [K*N,99] for K draws, with pixels [K*N,1], by system ("model" or a baseline's name) and condition.
    """

    names: tuple[str, ...]
    counts: dict[tuple[str, str], Counts]


def write_counts(path: Path, names: Sequence[str], counts: Mapping[tuple[str, str], Counts]) -> None:
    """Write the counts of systems under conditions, compressed. Raises Unwritable where the disk refuses.

    Args:
        path: of the file.
        names: of the N images.
        counts: [K*N,99] by system and condition.
    """
    arrays: dict[str, NDArray] = {"names": np.array(names, dtype=np.str_)}
    for (system, condition), one in counts.items():
        arrays |= {f"{system}/{condition}/{field}": getattr(one, field).astype(np.int32) for field in _CURVES}
        arrays[f"{system}/{condition}/pixels"] = np.asarray(one.pixels, dtype=np.int64).reshape(-1)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # the stubs take arrays for its switch


def read_counts(path: Path) -> SavedCounts:
    """Read a counts.npz, or that of a results folder.

    Raises:
        UserError: naming a file that is missing, or is none that ``write_counts`` wrote.
    """
    file = path / COUNTS if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{file}: there is none; run evaluate.py again, which writes it beside results.json")
    try:
        with np.load(file, allow_pickle=False) as saved:
            arrays = {key: saved[key] for key in saved.files}
        names = tuple(arrays.pop("names").tolist())
        groups = dict.fromkeys(tuple(key.split("/")[:2]) for key in arrays)
        counts = {(system, condition): _group(arrays, f"{system}/{condition}/") for system, condition in groups}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        raise UserError(f"{file} holds no counts of an evaluation; run evaluate.py again") from None
    if any(
        len(one.true_positive) % max(1, len(names)) or one.true_positive.shape[1:] != THRESHOLDS.shape
        for one in counts.values()
    ):
        raise UserError(f"{file} has counts of other images than it names; run evaluate.py again")
    return SavedCounts(names, counts)


def _group(arrays: Mapping[str, NDArray], prefix: str) -> Counts:
    true_positive, false_positive, false_negative = (arrays[prefix + field].astype(np.int64) for field in _CURVES)
    return Counts(true_positive, false_positive, false_negative, arrays[f"{prefix}pixels"].reshape(-1, 1))
