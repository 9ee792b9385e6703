"""What the boundary loss costs: in a training step, whose maps come from the loader, and in the loader itself."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.case import Case
from benchmarks.joint_step import COMPACT, SMALL_CHANGES, JointStep, load, ready_batch
from data.distance import CROSS, signed_distance_map
from data.synthetic import SyntheticSource

STEP_TARGET = 0.97  # within 3% of a step without the boundary term
MAP_LIMIT, MAP_TARGET = 1e-5, 1.0
ALPHA = 0.7  # where the schedule of options/joint.yml ends


def step(small: bool) -> Case:
    """A joint step with the boundary combo loss against one with its region part alone."""
    changes = SMALL_CHANGES if small else ()
    crop, batch = (32, 2) if small else (None, None)
    with_boundary = load(COMPACT, changes, crop, batch)
    without = load(COMPACT, [*changes, "loss:segmentation:type=combo"], crop, batch)
    cpu = torch.device("cpu")
    ours, alternative = JointStep(with_boundary, cpu, alpha=ALPHA), JointStep(without, cpu, alpha=ALPHA)
    ready, ready_without = ready_batch(with_boundary), ready_batch(without)
    train = with_boundary.datasets.train
    batch_size, side = train.loader.batch_size, train.augmentation.crop
    return Case(
        what=f"joint step of options/joint.yml, {batch_size} x HR {side}x{side}",
        ours=f"boundary combo loss, alpha {ALPHA}",
        alternative="combo loss without boundary term",
        run_ours=lambda: ours(ready),
        run_alternative=lambda: alternative(ready_without),
        limit=None,
        target=STEP_TARGET,
    )


def maps(small: bool) -> Case:
    """The map of one drawn crack mask, as the loader makes it, against SciPy's exact transform."""
    side = 64 if small else 448
    mask = SyntheticSource(1, size=side, seed=3, crack_free=0.0).load(0)[1]
    return Case(
        what=f"signed distance map of a {side}x{side} mask",
        ours="OpenCV's exact transform",
        alternative="scipy.ndimage.distance_transform_edt twice",
        run_ours=lambda: {"map": signed_distance_map(mask)},
        run_alternative=lambda: {"map": by_scipy(mask)},
        limit=MAP_LIMIT,
        target=MAP_TARGET,
    )


def by_scipy(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same map [H,W] for a mask with crack and background, straight from its definition."""
    crack = mask > 0
    outside, inside = ndimage.distance_transform_edt(~crack), ndimage.distance_transform_edt(crack)
    signed = outside / outside.max() - inside / inside.max()
    signed[crack & ~ndimage.binary_erosion(crack, CROSS, border_value=1)] = 0
    return signed
