"""Everything that is measured on one image's probability map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import names, pooled, sweep
from metrics.calibration import Reliability, reliability
from metrics.centreline import TOLERANCE, Centrelines, compare_centrelines
from metrics.surface import SurfaceDistance, SurfaceTarget, outlier_distance, surface_sweep
from metrics.surface_dice import surface_dice
from metrics.sweep import Counts
from metrics.tolerant import Matches, match


@dataclass(frozen=True)
class MaskScores:
    """Scores of one image cut at one threshold; a metric that does not apply is absent from ``values``, never 0.

    Attributes:
        index: of the threshold among the 99.
        values: dice, iou, precision, recall, accuracy, miou, hd95, assd, nsd, cldice, cliou_predicted (distances in
            pixels).
        centrelines: their counts, which add up over images.
    """

    index: int
    values: dict[str, float]
    centrelines: Centrelines


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image.

    Attributes:
        half: cut at probability 0.5.
        chosen: cut at a threshold that was given, or None.
        counts: pixels at the 99 thresholds.
        matches: the same with a tolerance, by pixels.
        reliability: of the probabilities.
        hd_curve: robust Hausdorff distance at the 99 thresholds, NaN where not computed, or None.
    """

    half: MaskScores
    chosen: MaskScores | None
    counts: Counts
    matches: dict[int, Matches]
    reliability: Reliability
    hd_curve: NDArray[np.float64] | None = None

    @property
    def values(self) -> dict[str, float]:
        """Those at probability 0.5."""
        return self.half.values

    @property
    def confusion(self) -> tuple[int, int, int, int]:
        """Pixels at 0.5: true positives, false positives, false negatives, true negatives."""
        return sweep.confusion(self.counts)

    @property
    def outliers(self) -> int:
        """1 where exactly one of the two masks is empty at 0.5, else 0."""
        hit, false, missed, _ = self.confusion
        return int((hit + false == 0) != (hit + missed == 0))

    @property
    def iou_curve(self) -> NDArray[np.float64]:
        """IoU at the 99 thresholds."""
        return sweep.iou(self.counts)

    @property
    def dice_curve(self) -> NDArray[np.float64]:
        """Dice likewise."""
        return sweep.dice(self.counts)

    @property
    def precision_curve(self) -> NDArray[np.float64]:
        """Precision likewise, NaN where nothing is predicted."""
        return sweep.precision(self.counts)

    @property
    def recall_curve(self) -> NDArray[np.float64]:
        """Recall likewise, NaN without a crack."""
        return sweep.recall(self.counts)


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
    tolerance: float = TOLERANCE,
    threshold: float | None = None,
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
        threshold: one of the 99, to score the mask at it too.

    Raises:
        ValueError: for different sizes, probabilities outside [0, 1], a threshold between the 99, or an unknown rule.
    """
    levels = sweep.threshold_levels(prob)
    truth = np.asarray(mask) > 0.5
    counts = sweep.count(levels, truth)
    chosen = None if threshold is None else pooled.threshold_index(threshold)
    cuts = [sweep.HALF] if chosen is None else [sweep.HALF, chosen]
    swept = _surface_thresholds(surface_thresholds)
    filler = outlier_distance(truth.shape, empty)
    distances = {
        k: SurfaceDistance(filler, filler) if np.isnan(distance.hausdorff) else distance
        for k, distance in surface_sweep(levels, SurfaceTarget(truth, percentile), {*swept, *cuts}).items()
    }
    hausdorff = np.full(len(sweep.THRESHOLDS), np.nan)
    hausdorff[swept] = [distances[k].hausdorff for k in swept]
    half, *others = (_cut(levels > k, truth, counts, k, distances[k], tolerance) for k in cuts)
    return ImageScores(
        half=half,
        chosen=others[0] if others else None,
        counts=counts,
        matches=match(levels, truth),
        reliability=reliability(prob, truth),
        hd_curve=None if surface_thresholds is None else hausdorff,
    )


def _cut(
    prediction: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    counts: Counts,
    k: int,
    distance: SurfaceDistance,
    tolerance: float,
) -> MaskScores:
    """The scores of the mask at the k-th threshold."""
    centrelines = compare_centrelines(prediction, truth, tolerance)
    curves = {
        names.IOU: sweep.iou(counts),
        names.DICE: sweep.dice(counts),
        names.PRECISION: sweep.precision(counts),
        names.RECALL: sweep.recall(counts),
        names.ACCURACY: sweep.accuracy(counts),
        names.MIOU: pooled.two_class_iou(counts),
    }
    values = {name: float(curve[k]) for name, curve in curves.items()}
    values |= {names.HD95: distance.hausdorff, names.ASSD: distance.mean}
    values[names.NSD] = surface_dice(prediction, truth)
    values[names.CLDICE], values[names.CLIOU_PREDICTED] = centrelines.cldice, centrelines.cliou_predicted
    return MaskScores(k, {name: value for name, value in values.items() if np.isfinite(value)}, centrelines)


def _surface_thresholds(surface_thresholds: str | int | None) -> list[int]:
    """Indices of the thresholds whose distances are computed; 0.5 is always among them."""
    if surface_thresholds is None:
        return [sweep.HALF]
    step = 1 if surface_thresholds == "all" else surface_thresholds
    if not isinstance(step, int) or step < 1:
        raise ValueError(f"surface_thresholds must be 'all', a positive integer or None; received {step!r}")
    return list(range(sweep.HALF % step, len(sweep.THRESHOLDS), step))
