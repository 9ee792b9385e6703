"""The metrics of every experiment: their names, how tables show them, and which way is better.

What is known about a metric stands here once: reports, the choice of the best weights and the tests
read it from ``METRICS``. Only how it is computed stands elsewhere (``metrics.scores`` and its neighbours). What each
one means, and which papers report it, is in docs/metrics.md.

A name says how its threshold was chosen: plain names are at probability 0.5; ``_max``, ODS and OIS at the best on the
very set that is scored; ``_at_threshold`` at one that was given. ``_pooled`` counts the pixels of all images as one
image's; without it, a figure is the mean over images.
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
MIOU = "miou"  # mean of the IoU of crack and of background
CLDICE = "cldice"  # of the centrelines in the other's mask
NSD = "nsd"  # surface Dice at 2 px
CLIOU_PREDICTED = "cliou_predicted"  # IoU of the centrelines, counted on the predicted one; called cliou until 2026

# at 0.5, of the pixels of all images
CLIOU = "cliou"  # IoU of the centrelines within 4 px, counted on the true one: OmniCrack30k's
IOU_POOLED = "iou_pooled"
DICE_POOLED = "dice_pooled"
PRECISION_POOLED = "precision_pooled"
RECALL_POOLED = "recall_pooled"
MIOU_POOLED = "miou_pooled"
F_2PX, F_5PX = "f_2px", "f_5px"  # F measure with a tolerance
ECE = "ece"  # expected calibration error, of the class that is chosen
ECE_CRACK = "ece_crack"  # of the probability of crack

IOU_MAX = "iou_max"  # maximum over thresholds of the mean IoU over images: one common threshold
IOU_MAX_THRESHOLD = "iou_max_threshold"
DICE_MAX = "dice_max"  # likewise of Dice; some papers call it ODS
MIOU_MAX = "miou_max"  # likewise of the two-class IoU
IOU_POOLED_MAX = "iou_pooled_max"
MIOU_POOLED_MAX = "miou_pooled_max"
ODS = "ods"  # the largest pooled Dice: one common threshold
ODS_THRESHOLD = "ods_threshold"
ODS_2PX, ODS_5PX = "ods_2px", "ods_5px"  # with a tolerance
OIS = "ois"  # mean over images of each one's largest Dice
OIS_2PX, OIS_5PX = "ois_2px", "ois_5px"
AP = "ap"  # area under the pooled precision-recall curve
AIU = "aiu"  # mean IoU over images and thresholds 0.01 .. 0.99
HD95_MIN = "hd95_min"  # minimum over thresholds of the mean HD95 over images
AHD95 = "ahd95"  # mean HD95 over images and thresholds
HD95_OUTLIERS = "hd95_outliers"  # images where exactly one of the two masks is empty at 0.5
EMPTY_PREDICTIONS = "empty_predictions"  # images without a predicted pixel at 0.5
EMPTY_MASKS = "empty_masks"  # crack-free images

PSNR = "psnr"  # dB
SSIM = "ssim"
PSNR_Y = "psnr_y"  # dB, of the luminance, without a border as wide as the scale
SSIM_Y = "ssim_y"
KERNEL_PSNR = "kernel_psnr"
KERNEL_SSIM = "kernel_ssim"
LOSS = "loss"  # the segmentation loss of whole images, in validation
IMAGES = "images"
CENTRELINE_FOUND = "centreline_found"  # pixels of the true centreline that are found, at 0.5
CENTRELINE_UNION = "centreline_union"  # these, its missed ones and the wrong ones of the predicted one
AT_THRESHOLD = "_at_threshold"  # ending of figures at a threshold chosen elsewhere

DRAW = "draw"  # number of an image's degradation, from 0
CRACK_WIDTH = "crack_width"  # mean width of the true cracks, pixels
BLUR_SIGMA = "blur_sigma"  # standard deviation of the true blur in its widest direction, HR pixels
NOISE_SIGMA = "noise_sigma"  # standard deviation of the drawn noise at mid-grey, in units of the range [0, 1]
JPEG_QUALITY = "jpeg_quality"  # the lowest that a photograph was saved with


@dataclass(frozen=True)
class Metric:
    """What a metric is measured on, and how it is shown.

    Attributes:
        of: "mask" (one image's, cut at probability 0.5), "pooled" (the pixels of all images, likewise), "sweep" (all
            images and thresholds), "distances" (the same, where distances are swept too), "image" (restored),
            "kernel" (estimated), "loss" or "count".
        heading: of its column in printed tables, "" for no column.
        digits: after the point there.
        lower_is_better: which way is better.
        unit: px or dB, "" for none.
    """

    of: Literal["mask", "pooled", "sweep", "distances", "image", "kernel", "loss", "count"]
    heading: str = ""
    digits: int = 3
    lower_is_better: bool = False
    unit: str = ""


METRICS = {  # in the order of printed tables
    DICE: Metric("mask", "Dice"),
    IOU: Metric("mask", "IoU"),
    PRECISION: Metric("mask", "Prec."),
    RECALL: Metric("mask", "Recall"),
    ACCURACY: Metric("mask"),
    MIOU: Metric("mask"),
    IOU_POOLED: Metric("pooled"),
    DICE_POOLED: Metric("pooled"),
    PRECISION_POOLED: Metric("pooled"),
    RECALL_POOLED: Metric("pooled"),
    MIOU_POOLED: Metric("pooled"),
    F_2PX: Metric("pooled"),
    F_5PX: Metric("pooled"),
    IOU_MAX: Metric("sweep", "IoU_max"),
    DICE_MAX: Metric("sweep"),
    MIOU_MAX: Metric("sweep"),
    IOU_POOLED_MAX: Metric("sweep"),
    MIOU_POOLED_MAX: Metric("sweep"),
    ODS: Metric("sweep", "ODS"),
    ODS_2PX: Metric("sweep"),
    ODS_5PX: Metric("sweep"),
    OIS: Metric("sweep"),
    OIS_2PX: Metric("sweep"),
    OIS_5PX: Metric("sweep"),
    AP: Metric("sweep"),
    AIU: Metric("sweep", "AIU"),
    HD95: Metric("mask", "HD95", digits=1, lower_is_better=True, unit="px"),
    ASSD: Metric("mask", lower_is_better=True, unit="px"),
    HD95_MIN: Metric("distances", "HD95_min", digits=1, lower_is_better=True, unit="px"),
    AHD95: Metric("distances", "AHD95", digits=1, lower_is_better=True, unit="px"),
    HD95_OUTLIERS: Metric("count", lower_is_better=True),
    EMPTY_PREDICTIONS: Metric("count", "empty", digits=0, lower_is_better=True),
    EMPTY_MASKS: Metric("count"),
    NSD: Metric("mask"),
    CLDICE: Metric("mask", "clDice"),
    CLIOU: Metric("pooled", "clIoU"),
    CLIOU_PREDICTED: Metric("mask"),
    ECE: Metric("pooled", lower_is_better=True),
    ECE_CRACK: Metric("pooled", lower_is_better=True),
    PSNR: Metric("image", "PSNR", digits=2, unit="dB"),
    SSIM: Metric("image", "SSIM"),
    PSNR_Y: Metric("image", digits=2, unit="dB"),
    SSIM_Y: Metric("image"),
    KERNEL_PSNR: Metric("kernel", unit="dB"),
    KERNEL_SSIM: Metric("kernel"),
    LOSS: Metric("loss", lower_is_better=True),
}
CONFUSION = ("true_positives", "false_positives", "false_negatives", "true_negatives")  # pixels of all images
COUNTED = frozenset(name for name, metric in METRICS.items() if metric.of == "count")  # images
LOWER_IS_BETTER = frozenset(name for name, metric in METRICS.items() if metric.lower_is_better)


def base_of(name: str) -> str:
    """The metric that is measured, whatever the threshold."""
    return name.removesuffix(AT_THRESHOLD)


def at_threshold(name: str) -> str:
    """The name of a figure at the threshold of ``evaluation.threshold``, such as ``iou_at_threshold``."""
    return f"{name}{AT_THRESHOLD}"
