"""``--restore auto`` against ``always`` and ``never``, on photographs as strangers give them to predict.py."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import UserError
from data.sources import Source
from degradations.frozen import to_uint8
from degradations.pipeline import Pipeline
from engine.evaluate.evaluator import evaluation_image
from engine.predict.photo import Prediction, search
from engine.predict.plan import Settings, plan
from engine.predict.restore_rule import least_seen
from metrics import sweep
from metrics.small_regions import remove_small_regions
from tools.release.intervals import mean_of
from tools.release.sets import HR, SEED
from tools.release.systems import System
from visualization.drawing import save_png

WAYS = ("always", "never", "auto")
NATIVE = "native"  # the sharp photograph as it is
MARGIN = 0.01  # IoU that auto may stay below the better of the two
Clean = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def decide(system: System, pixels: NDArray[np.uint8], ways: Sequence[str]) -> dict[str, bool | None]:
    """What predict.py would do with a photograph uint8 [h,w,3] under each ``--restore``: its plan is asked.

    None: it looks first, as ``engine.predict.restore_rule`` tells.

    The plan reads files, so it is given one, without loss. Raises UserError for a photograph that it leaves out.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.png"
        save_png(path, pixels)
        decided = {}
        for way in ways:
            jobs, left_out = plan([path], Settings(Path(folder), restore=way), system.options.scale)
            if left_out:
                raise UserError(left_out[0].reason)
            decided[way] = jobs[0].restore
        return decided


def answer(system: System, pixels: NDArray[np.uint8], ways: Sequence[str], clean: Clean) -> dict[str, Prediction]:
    """What predict.py finds under each ``--restore``; ways that are decided alike are computed once.

    Args:
        system: weights to use.
        pixels: of a photograph, uint8 [h,w,3] RGB.
        ways: of ``--restore``.
        clean: done to probabilities, see ``engine.predict.photo.search``.
    """
    decided = decide(system, pixels, ways)
    least = least_seen(system.minimum_area)
    predictions = {
        restore: search(system.model, pixels, restore, clean=clean, least=least) for restore in set(decided.values())
    }
    return {way: predictions[restore] for way, restore in decided.items()}


def at_size(prediction: Prediction, size: tuple[int, int]) -> NDArray[np.float32]:
    """The probability at the size [H,W] of the true mask.

    It is the photograph's own where that has this size, the fine one where the photograph was restored to it, and else
    the photograph's own, enlarged linearly.
    """
    for probability in (prediction.probability, prediction.fine):
        if probability.shape == size:
            return probability
    enlarged = cv2.resize(prediction.probability, size[::-1], interpolation=cv2.INTER_LINEAR)
    return enlarged.astype(np.float32, copy=False)


def iou_at_half(probability: NDArray[np.float32], mask: NDArray) -> float:
    """IoU of a probability [H,W] with the true mask [H,W], crack from 0.5 on as predict.py counts it."""
    levels = (probability >= np.float32(0.5)).astype(np.uint8)
    return float(sweep.iou(sweep.count(levels, mask, thresholds=1))[0])


def compare(
    system: System, source: Source, inputs: Mapping[str, Pipeline | None], progress: Callable[[], None]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rule of ``--restore auto`` on one set. IoU is at 0.5, at the size of the true mask.

    Args:
        system: weights to evaluate.
        source: photographs with masks.
        inputs: as ``tools.release.sets.inputs_of`` returns them; the photograph itself is called NATIVE.
        progress: called after each photograph.

    Returns:
        For every input the IoU of each way, and whether ``auto`` keeps within MARGIN of the better one; and a row for
        each photograph and input.
    """
    clean = partial(remove_small_regions, minimum_area=system.minimum_area)
    rows = []
    for index in range(len(source)):
        batch = evaluation_image(source, index, system.options.scale)
        mask = batch.mask[0, 0].numpy()
        for condition, pipeline in inputs.items():
            photo = batch.hr if pipeline is None else pipeline(batch.hr, batch.name, SEED, (0,)).lr
            predictions = answer(system, to_uint8(photo)[0], WAYS, clean)
            ious = {way: iou_at_half(at_size(predictions[way], mask.shape), mask) for way in WAYS}
            restored = predictions["auto"].restored is not None
            name = NATIVE if condition == HR else condition
            rows.append({"name": batch.name[0], "input": name, **ious, "restored": int(restored)})
        progress()
    return rule(rows), rows


def rule(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By input: the mean IoU of each way with its interval, how many photographs auto restores, how far auto is below
    the better way, and whether that is within MARGIN.
    """
    results = {}
    for name in dict.fromkeys(row["input"] for row in rows):
        input_rows = [row for row in rows if row["input"] == name]
        ways = {way: mean_of(np.array([row[way] for row in input_rows])) for way in WAYS}
        short = max(ways["always"].value, ways["never"].value) - ways["auto"].value
        results[name] = {
            **{way: estimate.figure() for way, estimate in ways.items()},
            "restored": float(np.mean([row["restored"] for row in input_rows])),
            "short": short,
            "kept": short <= MARGIN,
        }
    return results
