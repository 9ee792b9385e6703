"""Losses that ask whether thin structures hang together rather than whether their outlines fit, one value per sample.

They are called with ``prob`` [B,C,H,W] in [0, 1] and ``mask`` [B,1,H,W] in {0, 1}, one mask for all C maps, and return
[B] in float32 or better. They are added to a segmentation loss: neither teaches outlines by itself.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage.morphology import skeletonize
from torch import Tensor

from contracts.errors import ArgumentError
from contracts.precision import at_least_float32
from losses.region import flat_pair


class TopologyLoss(Protocol):
    """What the joint loss asks of a topology loss."""

    def __call__(self, prob: Tensor, mask: Tensor) -> Tensor:
        """Return one value per sample [B]; see the module for the arguments."""
        ...


def soft_erode(x: Tensor) -> Tensor:
    """Least value of each pixel and its four neighbours; x [B,C,H,W], what lies outside the image does not count."""
    vertical = -F.max_pool2d(-x, (3, 1), stride=1, padding=(1, 0))
    horizontal = -F.max_pool2d(-x, (1, 3), stride=1, padding=(0, 1))
    return torch.minimum(vertical, horizontal)


def soft_skeleton(x: Tensor, iterations: int) -> Tensor:
    """Differentiable skeleton: what opening takes from the map and from its first erosions, united.

    Algorithm 1 of Shit et al. (CVPR 2021) as their code has it: an opening is an erosion by a cross, then a dilation by
    a 3x3 square.

    Args:
        x: [B,C,H,W] in [0, 1].
        iterations: erosions. Structures wider than twice as many pixels and two more have no complete skeleton.

    Returns:
        [B,C,H,W] in [0, 1].
    """
    skeleton = torch.zeros_like(x)
    for _ in range(iterations + 1):
        eroded = soft_erode(x)
        taken = F.relu(x - F.max_pool2d(eroded, 3, stride=1, padding=1))
        skeleton = skeleton + F.relu(taken - skeleton * taken)
        x = eroded
    return skeleton


class SoftClDice:
    """``1 - 2 P S / (P + S)`` with the topology precision P and sensitivity S (S. Shit et al., CVPR 2021).

    P is the share of the prediction's soft skeleton that lies in the mask, S the share of the mask's that lies in the
    prediction; both skeletons are ``soft_skeleton``. Without a crack S is 1, and the loss grows with false alarms.

    Args:
        iterations: of the skeletons, about half of the width in pixels of the widest crack.
        smoothing: pixels that both counts of P and of S are increased by, above 0. The authors' 1 keeps empty masks
            and predictions finite.

    Raises:
        ArgumentError: for a number out of range.
    """

    def __init__(self, iterations: int = 5, smoothing: float = 1.0) -> None:
        if iterations < 0 or not 0 < smoothing < float("inf"):
            raise ArgumentError(f"iterations {iterations} must be at least 0 and smoothing {smoothing} above 0")
        self.iterations, self.smoothing = iterations, smoothing

    def __call__(self, prob: Tensor, mask: Tensor) -> Tensor:
        """Return one value per sample [B] in [0, 1]; see the module for the arguments."""
        predicted = soft_skeleton(at_least_float32(prob), self.iterations)
        with torch.no_grad():
            truth = soft_skeleton(at_least_float32(mask), self.iterations)
        precision = self._share(*flat_pair(predicted, mask))
        sensitivity = self._share(*reversed(flat_pair(prob, truth)))
        return 1 - 2 * precision * sensitivity / (precision + sensitivity)

    def _share(self, skeleton: Tensor, within: Tensor) -> Tensor:
        """How much of each skeleton lies within a map, both [B,N]; returns [B], above 0."""
        inside = (skeleton * within).sum(dim=1)
        return (inside + self.smoothing) / (skeleton.sum(dim=1) + self.smoothing)


def tubed_skeletons(mask: Tensor, tube: int) -> Tensor:
    """Skeletons of masks, widened within the masks.

    Made sample by sample on the CPU, which a mask on another device is copied to.

    Args:
        mask: [B,1,H,W], crack where > 0.5.
        tube: pixels to widen by to each side, counted along rows and columns.

    Returns:
        [B,1,H,W] in {0, 1}, of the type and on the device of the mask.
    """
    cracks = (mask > 0.5)[:, 0].cpu().numpy()
    tubes = np.zeros_like(cracks)
    for result, crack in zip(tubes, cracks, strict=True):
        if crack.any():
            skeleton = skeletonize(crack)
            result[:] = (ndimage.binary_dilation(skeleton, iterations=tube) if tube else skeleton) & crack
    return torch.from_numpy(tubes).unsqueeze(1).to(mask)


class SkeletonRecall:
    """``1 - recall`` of the mask's skeleton, widened to a tube within the mask (Y. Kirchhoff et al., ECCV 2024).

    The recall is soft: the mean probability on the tube. Pixels off the tube get no gradient, so that false alarms
    are left to the loss that this one is added to. A sample without a crack has the loss 0.

    Args:
        tube: pixels that the skeleton is widened by to each side, at least 0; the authors' 2.

    Raises:
        ArgumentError: for a tube below 0.
    """

    def __init__(self, tube: int = 2) -> None:
        if tube < 0:
            raise ArgumentError(f"tube {tube} must be at least 0")
        self.tube = tube

    def __call__(self, prob: Tensor, mask: Tensor) -> Tensor:
        """Return one value per sample [B] in [0, 1]; see the module for the arguments."""
        p, tube = flat_pair(prob, tubed_skeletons(mask, self.tube))
        pixels = tube.sum(dim=1)
        missed = ((1 - p) * tube).sum(dim=1)
        return missed / pixels.clamp(min=1)


TOPOLOGY_LOSSES: dict[str, type[SoftClDice] | type[SkeletonRecall]] = {
    "soft_cldice": SoftClDice,
    "skeleton_recall": SkeletonRecall,
}
