"""Checks of losses, metrics and degradation against numbers of the reference code.

Each check takes a fixture (arrays by name) and a precision and returns (quantity, ours, expected) triples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.distance import signed_distance_map
from degradations.blur import blur
from degradations.kernels import anisotropic_gaussian
from degradations.resize import bicubic_downsample
from losses.combo import BoundaryCombo
from losses.region import boundary, dice, generalised_dice, weighted_bce
from losses.sr import REFERENCE_WEIGHTS, KBPNLoss
from losses.weights import fail_oriented
from metrics import image_quality, sweep
from metrics.surface import SurfaceTarget, surface_sweep
from tools.parity.verdict import Quantity

Fixture = Mapping[str, NDArray]
Check = Callable[[Fixture, torch.dtype], list[Quantity]]

ALPHA_PREFIX = "boundary_combo_alpha_"
ONE_MASK_EMPTY = -1.0  # how the fixtures mark distances where exactly one mask is empty
# Quantities that the reference, or we by design, compute in float32: no float64 limit applies to these.
SINGLE_PRECISION = frozenset(
    {
        ("losses", "signed_distance"),
        ("metrics", "psnr"),
        ("metrics", "ssim"),
        ("degradation", "kernels"),
        ("degradation", "blurred"),
        ("degradation", "lr"),
    }
)


def check_losses(fixture: Fixture, dtype: torch.dtype) -> list[Quantity]:
    """Segmentation losses per image, and the signed distance map they use."""
    prob, mask, distance = (_tensor(fixture[name], dtype) for name in ("prob", "mask", "signed_distance"))
    logits = _tensor(fixture["prob"], torch.float64).logit().to(dtype)
    values = {
        "weighted_bce_1_1": weighted_bce(logits, mask),
        "dice_p2": dice(prob, mask),
        "generalized_dice": generalised_dice(prob, mask),
        "boundary": boundary(prob, distance),
    }
    combo = BoundaryCombo()
    for name in fixture:
        if name.startswith(ALPHA_PREFIX):
            values[name] = combo(logits, mask, distance, float(name.removeprefix(ALPHA_PREFIX)))
    maps = np.stack([signed_distance_map(sample) for sample in fixture["mask"][:, 0]])[:, None]
    return [("signed_distance", maps, fixture["signed_distance"]), *_present(values, fixture)]


def check_sr_losses(fixture: Fixture, dtype: torch.dtype) -> list[Quantity]:
    """KBPN's loss per image as released, the normalised kernel, and the fail-oriented weights."""
    names = ("sr", "hr", "lr", "raw_kernel", "true_kernel", "prob", "mask")
    sr, hr, lr, raw, true_kernel, prob, mask = (_tensor(fixture[name], dtype) for name in names)
    kernel = (raw / raw.sum(dim=1, keepdim=True)).mean(dim=(2, 3)).view_as(true_kernel)
    released = tuple(fixture.get("weights_hr_lr_kernel", REFERENCE_WEIGHTS)[:3])  # only three are read
    loss = KBPNLoss(released, border="zero", kernel_term="mean")
    values = {
        "loss": loss(sr, kernel, hr, lr, true_kernel).total,
        "kernel_normalised": kernel,
        "fail_oriented_m1": fail_oriented(prob, mask, amplitude=1.0),
    }
    return _present(values, fixture)


def check_metrics(fixture: Fixture, dtype: torch.dtype) -> list[Quantity]:
    """IoU and surface distances at every threshold, PSNR and SSIM."""
    curves = [
        _curves(prob, mask, fixture["thresholds"]) for prob, mask in zip(fixture["prob"], fixture["mask"], strict=True)
    ]
    iou, hausdorff, mean = (np.stack(curve) for curve in zip(*curves, strict=True))
    values = {"iou": iou, "hd95": hausdorff, "assd": mean}
    sr, hr = _tensor(fixture["sr"], dtype), _tensor(fixture["hr"], dtype)
    values["psnr"], values["ssim"] = image_quality.psnr(sr, hr), image_quality.ssim(sr, hr, border="zero")
    return _present(values, fixture)


def check_degradation(fixture: Fixture, dtype: torch.dtype) -> list[Quantity]:
    """Blur kernels, the blurred images and their reduction, each step from our own previous one."""
    parameters = _tensor(fixture["sigma_x_sigma_y_theta_degrees"], dtype)
    expected_kernels = _tensor(fixture["kernels"], dtype).unsqueeze(1)
    hr = _tensor(fixture["hr"], dtype).expand(len(expected_kernels), -1, -1, -1)
    sigma_x, sigma_y, theta = parameters.unbind(dim=1)
    kernels = anisotropic_gaussian(sigma_x, sigma_y, theta, side=expected_kernels.shape[-1])
    blurred = blur(hr, kernels, border="zero")
    scale = hr.shape[-1] // fixture["lr"].shape[-1]
    values = {"kernels": kernels.squeeze(1), "blurred": blurred, "lr": bicubic_downsample(blurred, scale)}
    return _present(values, fixture)


def _curves(prob: NDArray, mask: NDArray, thresholds: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """IoU, robust Hausdorff and mean surface distance of one image at each threshold."""
    levels = sweep.threshold_levels(prob, thresholds)
    iou = sweep.iou(sweep.count(levels, mask, len(thresholds)))
    distances = surface_sweep(levels, SurfaceTarget(mask, percentile=95.0), range(len(thresholds)))
    pairs = np.array([distances[k] for k in range(len(thresholds))])
    pairs[np.isnan(pairs)] = ONE_MASK_EMPTY
    return iou, pairs[:, 0], pairs[:, 1]


def _tensor(array: NDArray, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.asarray(array)).to(dtype)


def _present(values: Mapping[str, Tensor | NDArray], fixture: Fixture) -> list[Quantity]:
    """Pair our values with the fixture's of the same name, as far as the fixture holds them."""
    return [(name, np.asarray(value), fixture[name]) for name, value in values.items() if name in fixture]


FUNCTION_CHECKS: dict[str, Check] = {
    "losses": check_losses,
    "sr_losses": check_sr_losses,
    "metrics": check_metrics,
    "degradation": check_degradation,
}
