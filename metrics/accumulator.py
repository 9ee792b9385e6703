"""Collect the scores of a data set's images and summarise them under constant names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from metrics import names, sweep
from metrics.pooled import stacked
from metrics.published import image_figures, means, set_figures
from metrics.scores import ImageScores
from metrics.sweep import Counts


class Accumulator:
    """Per-image scores in the order in which they were added; means are over images, but for pooled figures.

    A metric that does not apply to an image is left out of that metric's mean.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._scores: list[ImageScores] = []
        self._extra: list[dict[str, float]] = []
        self._facts: list[dict[str, float]] = []

    @classmethod
    def interleaved(cls, accumulators: Sequence[Accumulator]) -> Accumulator:
        """Merge several accumulators: the first image of each in turn, then the second of each, and so on."""
        merged = cls()
        entries = [zip(each._names, each._scores, each._extra, each._facts, strict=True) for each in accumulators]
        for images in zip_longest(*entries):
            for image in filter(None, images):
                merged.add(*image)
        return merged

    @property
    def names(self) -> tuple[str, ...]:
        """The images' names in their order."""
        return tuple(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def add(
        self,
        name: str,
        scores: ImageScores,
        extra: Mapping[str, float] | None = None,
        facts: Mapping[str, float] | None = None,
    ) -> None:
        """Add one image.

        Args:
            name: of the image.
            scores: of its segmentation.
            extra: further values (psnr, ssim, ...); those that are not finite are left out.
            facts: what is known of the image beforehand (number of its degradation draw, width of its cracks): stands
                in its row, and in no mean.
        """
        self._names.append(name)
        self._scores.append(scores)
        self._extra.append({key: float(value) for key, value in (extra or {}).items() if np.isfinite(value)})
        self._facts.append(dict(facts or {}))

    def summary(self) -> dict[str, float]:
        """Return the flat dict of the data set's figures; empty without images."""
        if not self._names:
            return {}
        mean_iou = self._curve("iou_curve")
        best = int(np.argmax(mean_iou))
        surface: dict[str, float] = {}
        if any(scores.hd_curve is not None for scores in self._scores):
            hausdorff = self._curve("hd_curve")
            surface = {names.HD95_MIN: float(np.nanmin(hausdorff)), names.AHD95: float(np.nanmean(hausdorff))}
        confusion = np.sum([scores.confusion for scores in self._scores], axis=0)  # pixels of all images
        figures = {
            **means([scores.values for scores in self._scores]),
            names.IOU_MAX: float(mean_iou[best]),
            names.IOU_MAX_THRESHOLD: float(sweep.THRESHOLDS[best]),
            names.AIU: float(mean_iou.mean()),
            **surface,
            names.HD95_OUTLIERS: float(sum(scores.outliers for scores in self._scores)),
            **set_figures(self._scores),
            **means(self._extra),
            **dict(zip(names.CONFUSION, map(float, confusion), strict=True)),
            names.IMAGES: float(len(set(self._names))),
        }
        draws = len(self._names) / len(set(self._names))  # numbers of images and pixels are means over draws
        return {
            name: value / draws if names.base_of(name) in (*names.COUNTED, *names.CONFUSION) else value
            for name, value in figures.items()
        }

    def rows(self) -> list[dict[str, float | str]]:
        """Return one dict per image: its name, its values, and its shares of the data set's figures.

        ``aiu`` and ``ahd95`` are the image's means over thresholds; ``iou_max`` is its IoU at the
        threshold that is best for the data set, so that each column's mean is the summary's figure. ``cliou`` is the
        image's own, where the summary pools the pixels of all.
        """
        best = int(np.argmax(self._curve("iou_curve"))) if self._names else 0
        return [
            {"name": name, **facts, **_row(scores, best), **extra}
            for name, scores, extra, facts in zip(self._names, self._scores, self._extra, self._facts, strict=True)
        ]

    def curves(self) -> dict[str, list[float]]:
        """Return the means over images at each threshold; where no image counts, NaN.

        Keys: threshold, iou, dice, precision, recall, and hd95 where distances were swept.
        """
        if not self._names:
            return {}
        curves = {
            "threshold": sweep.THRESHOLDS,
            names.IOU: self._curve("iou_curve"),
            names.DICE: self._curve("dice_curve"),
            names.PRECISION: self._curve("precision_curve"),
            names.RECALL: self._curve("recall_curve"),
        }
        if any(scores.hd_curve is not None for scores in self._scores):
            curves[names.HD95] = self._curve("hd_curve")
        return {name: curve.tolist() for name, curve in curves.items()}

    def counts(self) -> Counts:
        """Pixels of the images, in their order, at the 99 thresholds [N,99]. At least one image is needed."""
        return stacked([scores.counts for scores in self._scores])

    def centreline_parts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of every image the pixels of centrelines that clIoU counts as true [N], and all that it counts [N]."""
        lines = [scores.half.centrelines for scores in self._scores]
        return np.array([one.found for one in lines]), np.array([one.union for one in lines])

    def iou_curves(self) -> NDArray[np.float64]:
        """The IoU of every image at each threshold [N,99], in the images' order."""
        return np.stack([scores.iou_curve for scores in self._scores])

    def _curve(self, attribute: str) -> NDArray[np.float64]:
        """Mean over images [99] of one curve, without those to which it does not apply (NaN, None); NaN without any."""
        all_curves = [getattr(scores, attribute) for scores in self._scores]
        curves = np.stack([curve for curve in all_curves if curve is not None])
        present = ~np.isnan(curves)
        number = present.sum(axis=0)
        total = np.where(present, curves, 0.0).sum(axis=0)
        return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)


def _row(scores: ImageScores, best: int) -> dict[str, float]:
    """The values of one image in the table of all; best: index of the data set's best threshold."""
    row = {**scores.values, names.IOU_MAX: float(scores.iou_curve[best])}
    row |= image_figures(scores)
    row[names.AIU] = float(scores.iou_curve.mean())
    if scores.hd_curve is not None:
        row[names.AHD95] = float(np.nanmean(scores.hd_curve))
    row[names.HD95_OUTLIERS] = float(scores.outliers)
    lines = scores.half.centrelines
    row |= {names.CENTRELINE_FOUND: float(lines.found), names.CENTRELINE_UNION: float(lines.union)}
    return row | dict(zip(names.CONFUSION, map(float, scores.confusion), strict=True))
