"""The metrics of every experiment: their names, how tables show them, and which way is better.

What is known about a metric stands here once: reports, the choice of the best weights and the tests
read it from ``METRICS``. Only how it is computed stands elsewhere (``metrics.scores`` and its neighbours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DICE = "dice"
IOU = "iou"
PRECISION = "precision"
RECALL = "recall"
ACCURACY = "accuracy"  # share of all pixels that are right
HD95 = "hd95"  # robust Hausdorff distance at percentile 95, pixels
ASSD = "assd"  # average symmetric surface distance, pixels
CLIOU = "cliou"  # IoU of the centrelines with a tolerance

IOU_MAX = "iou_max"  # maximum over thresholds of the mean IoU over images: one common threshold
IOU_MAX_THRESHOLD = "iou_max_threshold"
AIU = "aiu"  # mean IoU over images and thresholds 0.01 .. 0.99
HD95_MIN = "hd95_min"  # minimum over thresholds of the mean HD95 over images
AHD95 = "ahd95"  # mean HD95 over images and thresholds
HD95_OUTLIERS = "hd95_outliers"  # images where exactly one of the two masks is empty at 0.5

PSNR = "psnr"  # dB
SSIM = "ssim"
KERNEL_PSNR = "kernel_psnr"
KERNEL_SSIM = "kernel_ssim"
LOSS = "loss"  # the segmentation loss of whole images, in validation
IMAGES = "images"

DRAW = "draw"  # number of an image's degradation, from 0
CRACK_WIDTH = "crack_width"  # mean width of the true cracks, pixels
BLUR_SIGMA = "blur_sigma"  # standard deviation of the true blur in its widest direction, HR pixels


@dataclass(frozen=True)
class Metric:
    """What a metric is measured on, and how it is shown.

    Attributes:
        of: "mask" (one image's, cut at probability 0.5), "sweep" (all images and thresholds), "distances"
            (the same, where distances are swept too), "image" (restored), "kernel" (estimated), "loss" or "count".
        heading: of its column in printed tables, "" for no column.
        digits: after the point there.
        lower_is_better: which way is better.
    """

    of: Literal["mask", "sweep", "distances", "image", "kernel", "loss", "count"]
    heading: str = ""
    digits: int = 3
    lower_is_better: bool = False


METRICS = {  # in the order of printed tables
    DICE: Metric("mask", "Dice"),
    IOU: Metric("mask", "IoU"),
    PRECISION: Metric("mask", "Prec."),
    RECALL: Metric("mask", "Recall"),
    ACCURACY: Metric("mask"),
    IOU_MAX: Metric("sweep", "IoU_max"),
    AIU: Metric("sweep", "AIU"),
    HD95: Metric("mask", "HD95", digits=1, lower_is_better=True),
    ASSD: Metric("mask", lower_is_better=True),
    HD95_MIN: Metric("distances", "HD95_min", digits=1, lower_is_better=True),
    AHD95: Metric("distances", "AHD95", digits=1, lower_is_better=True),
    HD95_OUTLIERS: Metric("count", lower_is_better=True),
    CLIOU: Metric("mask", "clIoU"),
    PSNR: Metric("image", "PSNR", digits=2),
    SSIM: Metric("image", "SSIM"),
    KERNEL_PSNR: Metric("kernel"),
    KERNEL_SSIM: Metric("kernel"),
    LOSS: Metric("loss", lower_is_better=True),
}
CONFUSION = ("true_positives", "false_positives", "false_negatives", "true_negatives")  # pixels of all images
LOWER_IS_BETTER = frozenset(name for name, metric in METRICS.items() if metric.lower_is_better)
