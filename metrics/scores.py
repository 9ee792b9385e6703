"""Everything that is measured on one image's probability map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import names, sweep
from metrics.centreline import centreline_iou
from metrics.surface import SurfaceTarget, outlier_distance, surface_sweep


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image; a metric that does not apply is absent from ``values``, never 0.

    Attributes:
        values: dice, iou, precision, recall, accuracy, hd95, assd, cliou at probability 0.5 (distances in pixels).
        confusion: pixels at 0.5: true positives, false positives, false negatives, true negatives.
        iou_curve: at the 99 thresholds, NaN where it does not apply.
        dice_curve: likewise.
        precision_curve: likewise.
        recall_curve: likewise.
        hd_curve: robust Hausdorff distance at the 99 thresholds, NaN where not computed, or None.
        outliers: 1 where exactly one of the two masks is empty at 0.5, else 0.
    """

    values: dict[str, float]
    confusion: tuple[int, int, int, int]
    iou_curve: NDArray[np.float64]
    dice_curve: NDArray[np.float64]
    precision_curve: NDArray[np.float64]
    recall_curve: NDArray[np.float64]
    hd_curve: NDArray[np.float64] | None = None
    outliers: int = 0


@dataclass(frozen=True)
class ScoringRules:
    """How distances are measured: arguments of ``evaluate_image``."""

    percentile: float = 95.0
    empty: str = "diagonal"


def evaluate_image(
    prob: NDArray,
    mask: NDArray,
    *,
    percentile: float = 95.0,
    empty: str = "diagonal",
    surface_thresholds: str | int | None = "all",
    tolerance: float = 4.0,
) -> ImageScores:
    """Score one probability map against its ground truth.

    Args:
        prob: float [H,W] in [0, 1].
        mask: [H,W], crack where > 0.5.
        percentile: of the robust Hausdorff distance, in (0, 100].
        empty: distance where exactly one mask is empty, the image "diagonal" or (reference code) its "width".
        surface_thresholds: where distances are computed: at "all" of the 99 thresholds, at every n-th one around 0.5,
            or (None) at 0.5 only.
        tolerance: of the centrelines, pixels.

    Raises:
        ValueError: for different sizes, probabilities outside [0, 1], or an unknown rule.
    """
    levels = sweep.threshold_levels(prob)
    truth = np.asarray(mask) > 0.5
    counts = sweep.count(levels, truth)
    curves = {
        names.IOU: sweep.iou(counts),
        names.DICE: sweep.dice(counts),
        names.PRECISION: sweep.precision(counts),
        names.RECALL: sweep.recall(counts),
    }
    values = {name: float(curve[sweep.HALF]) for name, curve in curves.items()}
    values[names.ACCURACY] = float(sweep.accuracy(counts)[sweep.HALF])
    hausdorff, mean, outlier = _surface_curves(levels, truth, percentile, empty, surface_thresholds)
    values[names.HD95], values[names.ASSD] = float(hausdorff[sweep.HALF]), float(mean[sweep.HALF])
    values[names.CLIOU] = centreline_iou(levels > sweep.HALF, truth, tolerance)
    return ImageScores(
        values={name: value for name, value in values.items() if np.isfinite(value)},
        confusion=sweep.confusion(counts),
        iou_curve=curves[names.IOU],
        dice_curve=curves[names.DICE],
        precision_curve=curves[names.PRECISION],
        recall_curve=curves[names.RECALL],
        hd_curve=None if surface_thresholds is None else hausdorff,
        outliers=outlier,
    )


def _surface_curves(
    levels: NDArray[np.uint8],
    truth: NDArray[np.bool_],
    percentile: float,
    empty: str,
    surface_thresholds: str | int | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Hausdorff and mean distances [99] (NaN where not asked for), and whether 0.5 is an outlier."""
    filler = outlier_distance(truth.shape, empty)
    thresholds = _surface_thresholds(surface_thresholds)
    distances = surface_sweep(levels, SurfaceTarget(truth, percentile), thresholds)
    curves = np.full((2, len(sweep.THRESHOLDS)), np.nan)
    for k, distance in distances.items():
        curves[:, k] = filler if np.isnan(distance.hausdorff) else distance
    return curves[0], curves[1], int(np.isnan(distances[sweep.HALF].hausdorff))


def _surface_thresholds(surface_thresholds: str | int | None) -> list[int]:
    """Indices of the thresholds whose distances are computed; 0.5 is always among them."""
    if surface_thresholds is None:
        return [sweep.HALF]
    step = 1 if surface_thresholds == "all" else surface_thresholds
    if not isinstance(step, int) or step < 1:
        raise ValueError(f"surface_thresholds must be 'all', a positive integer or None; received {step!r}")
    return list(range(sweep.HALF % step, len(sweep.THRESHOLDS), step))
