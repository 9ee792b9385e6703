"""Two folders of maps and masks: which belong together, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from contracts.names import readable
from data.decode import decode
from data.images import IMAGE_SUFFIXES
from data.masks import FULL_RANGES, LOSSY_FULL, kind_of, mask_values

ARRAY = ".npy"
FIRST = 3  # names told
LEAST_RANGES = {"float": 1, "lossy": LOSSY_FULL}  # the value that means 1, by kind of file, whatever a folder holds


@dataclass(frozen=True)
class Values:
    """Content of a file: whole numbers [H,W] of a kind whose range the folder decides, or floats [H,W] in [0, 1]."""

    values: NDArray
    kind: str  # "lossy", "8 bit", "16 bit" or "float"


@dataclass(frozen=True)
class Matched:
    """A prediction and its mask, with the name that they share."""

    name: str
    prediction: Path
    mask: Path


def match_files(
    predictions: Path, masks: Path, suffix: str = "", mask_suffix: str = "", only_common: bool = False
) -> tuple[list[Matched], list[str]]:
    """Match the files of two folders and all below them, by stem; by folder and stem where stems repeat.

    Args:
        predictions: folder of probability maps or masks.
        masks: folder of true masks.
        suffix: ending of the predictions' stems that masks do not have; files without it are passed over.
        mask_suffix: likewise of the masks.
        only_common: leave out what only one side has, instead of raising.

    Returns:
        The pairs in the order of their names, and notes of what was left out.

    Raises:
        UserError: for folders without files, two files of one name, and names that one side lacks.
    """
    sides = [
        named_files(predictions, suffix, "predictions", "--suffix"),
        named_files(masks, mask_suffix, "masks", "--mask-suffix"),
    ]
    if all(len({name.rpartition("/")[2] for name in side}) == len(side) for side in sides):
        sides = [{name.rpartition("/")[2]: path for name, path in side.items()} for side in sides]
    of_prediction, of_mask = sides
    common = sorted(of_prediction.keys() & of_mask.keys())
    gaps = [
        f"{len(alone)} {kind}: {_listed(alone)}"
        for kind, alone in (
            ("predictions without a mask", of_prediction.keys() - of_mask.keys()),
            ("masks without a prediction", of_mask.keys() - of_prediction.keys()),
        )
        if alone
    ]
    if not common:
        raise UserError(f"no prediction is called like a mask ({'; '.join(gaps)}); see --suffix and --mask-suffix")
    if gaps and not only_common:
        raise UserError(f"{'; '.join(gaps)}; add what is missing, or leave these out with --only-common")
    return [Matched(name, of_prediction[name], of_mask[name]) for name in common], [f"left out {gap}" for gap in gaps]


def named_files(folder: Path, suffix: str, what: str, option: str) -> dict[str, Path]:
    """The files below a folder by their path in it, without the suffix and what follows the last dot.

    Args:
        folder: with images or .npy files.
        suffix: ending of the stems; files without it are passed over.
        what: they are, for errors.
        option: of the command line that chooses among files of one name.

    Raises:
        UserError: for a folder that is not there or holds none, and two files of one name.
    """
    if not folder.is_dir():
        raise UserError(f"no folder '{folder}'; give the folder of the {what}")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.stem.endswith(suffix) or path.suffix.lower() not in (*IMAGE_SUFFIXES, ARRAY):
            continue
        if not path.is_file():
            continue
        name = readable(path.relative_to(folder).with_suffix("").as_posix().removesuffix(suffix))
        if name in found:
            raise UserError(f"'{found[name]}' and '{path}' have one name; remove one, or choose with {option}")
        found[name] = path
    if not found:
        ending = f" whose names end in '{suffix}'" if suffix else ""
        raise UserError(f"'{folder}' holds no images or .npy files{ending}; give the folder of the {what}")
    return found


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - FIRST} more" if len(names) > FIRST else ""
    return ", ".join(f"'{name}'" for name in sorted(names)[:FIRST]) + more


def read_values(path: Path, colour: bool = False) -> Values:
    """Read a map or a mask.

    Args:
        path: an image of 8 or 16 bits, or a .npy array [H,W] (or [1,H,W]): floats in [0, 1], whole numbers or bool.
        colour: whether colour may say something (of masks the largest channel counts); else it is refused.

    Raises:
        UserError: naming the file and what is wrong with it.
    """
    if path.suffix.lower() == ARRAY:
        return _read_array(path)
    decoded = decode(path)
    channels = decoded.values
    if channels.ndim == 3 and not colour and (channels != channels[..., :1]).any():
        raise UserError(f"'{path}' is a colour image; give grey maps, 0 to 255 for 0 to 1 (see --suffix)")
    return Values(mask_values(decoded, path), kind_of(decoded))


def _read_array(path: Path) -> Values:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"'{path}' is no array ({error}); save it with numpy.save") from None
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or not array.size or array.dtype.kind not in "buif":
        raise UserError(f"'{path}' is an array {array.dtype} {list(array.shape)}; give numbers [H,W]")
    if not (array.min() >= 0 and array.max() <= (1 if array.dtype.kind == "f" else FULL_RANGES[-1])):  # also NaN
        raise UserError(
            f"'{path}' holds values from {array.min():.4g} to {array.max():.4g}; give probabilities in [0, 1] "
            "(the sigmoid of logits), or whole numbers to 65535"
        )
    if array.dtype.kind == "f":
        return Values(array.astype(np.float32), "float")
    return Values(array.astype(np.int64), "8 bit" if array.max() <= 255 else "16 bit")


def survey(pairs: Sequence[Matched], progress: Callable[[], None]) -> tuple[dict[str, int], dict[str, int]]:
    """Read all files once: the value that means 1, by kind of file, for the predictions and for the masks.

    It is the smallest of 1, 255 and 65535 that holds all values of a folder: decided for all files of it, since the
    map of a photograph without a crack may be dark all over.

    Args:
        pairs: what belongs together.
        progress: called after each pair.

    Raises:
        UserError: naming the pairs that differ in size, and as ``read_values`` does.
    """
    ranges = tuple(dict(LEAST_RANGES) for _ in ("predictions", "masks"))
    unequal = []
    for pair in pairs:
        read = read_values(pair.prediction), read_values(pair.mask, colour=True)
        for full, found in zip(ranges, read, strict=True):
            widen(full, found)
        sizes = ["x".join(map(str, found.values.shape[::-1])) for found in read]
        if sizes[0] != sizes[1]:
            unequal.append(f"'{pair.name}' is {sizes[0]}, its mask {sizes[1]}")
        progress()
    if unequal:
        more = f" and {len(unequal) - FIRST} more" if len(unequal) > FIRST else ""
        raise UserError(f"sizes differ: {'; '.join(unequal[:FIRST])}{more}; give predictions of the masks' sizes")
    return ranges[0], ranges[1]


def widen(full: dict[str, int], found: Values) -> None:
    """Take a file's values into the ranges of its folder, which begin as ``LEAST_RANGES``."""
    largest = next(limit for limit in FULL_RANGES if found.values.max() <= limit)
    full[found.kind] = max(full.get(found.kind, 1), largest)


def probability(found: Values, full: Mapping[str, int]) -> NDArray[np.float32]:
    """The values as probabilities, float32 [H,W] in [0, 1]."""
    return np.minimum(found.values / np.float32(full[found.kind]), 1).astype(np.float32)


def crack(found: Values, full: Mapping[str, int]) -> NDArray[np.bool_]:
    """Which pixels [H,W] of a true mask are crack: those above half of the range."""
    return found.values * 2.0 > full[found.kind]
