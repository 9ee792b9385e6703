"""The names under which every experiment reports its metrics, and where each is best."""

from __future__ import annotations

DICE = "dice"  # at probability 0.5, as are IoU, precision, recall, HD95, ASSD and clIoU
IOU = "iou"
PRECISION = "precision"
RECALL = "recall"
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
IMAGES = "images"

AT_HALF = (DICE, IOU, PRECISION, RECALL, HD95, ASSD, CLIOU)
LOWER_IS_BETTER = frozenset({HD95, ASSD, HD95_MIN, AHD95, HD95_OUTLIERS})
