"""Surface distances at 99 thresholds of probability maps against the surface-distance package, called for each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.case import Case, Outputs, Unavailable
from data.synthetic import SyntheticSource
from engine.evaluate.evaluator import SCORERS
from metrics.surface import SurfaceDistance, SurfaceTarget, surface_sweep
from metrics.sweep import THRESHOLDS, threshold_levels

LIMIT, TARGET = 1e-6, 15.0
PERCENTILE = 95.0
IMAGES = 4
BLUR, NOISE = 2.0, 0.04  # px and standard deviation: a prediction that is soft at its edges
INSTALL = "the package surface-distance is not installed: pip install surface-distance"


def sweep(small: bool) -> Case:
    """Drawn photographs' masks, a probability map made from each; ours scores them on threads, as evaluation does."""
    try:
        import surface_distance
    except ImportError:
        raise Unavailable(INSTALL) from None
    side = 64 if small else 448
    pairs = [prediction(side, index) for index in range(IMAGES)]
    pool = ThreadPoolExecutor(SCORERS)
    return Case(
        what=f"HD95 and mean surface distance at {len(THRESHOLDS)} thresholds, {IMAGES} images {side}x{side}",
        ours=f"metrics.surface.surface_sweep, {SCORERS} threads",
        alternative="surface-distance package for each threshold",
        run_ours=lambda: as_outputs(
            [distance for image_distances in pool.map(lambda pair: ours(*pair), pairs) for distance in image_distances]
        ),
        run_alternative=lambda: as_outputs(
            [
                by_package(surface_distance, prob > np.float32(threshold), mask > 0)
                for prob, mask in pairs
                for threshold in THRESHOLDS
            ]
        ),
        limit=LIMIT,
        target=TARGET,
    )


def prediction(side: int, index: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A probability map in [0, 1] as a network gives it, soft and noisy, and its mask, both [side,side].

    Args:
        side: pixels.
        index: of the drawn photograph.
    """
    mask = SyntheticSource(index + 1, size=side, seed=5, crack_free=0.0).load(index)[1]
    rng = np.random.default_rng(index)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), BLUR)
    grain = cv2.GaussianBlur(rng.standard_normal(mask.shape).astype(np.float32), (0, 0), 1.0)
    prob = soft / soft.max() + NOISE * grain / grain.std()
    return np.clip(prob, 0, 1), mask


def ours(prob: NDArray[np.float32], mask: NDArray[np.uint8]) -> list[SurfaceDistance]:
    """One image's sweep as evaluation does it, the ground truth's own transform included."""
    distances = surface_sweep(threshold_levels(prob), SurfaceTarget(mask, PERCENTILE), range(len(THRESHOLDS)))
    return [distances[index] for index in range(len(THRESHOLDS))]


def by_package(package: ModuleType, predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> SurfaceDistance:
    """One threshold by the package; NaN where only one mask is empty, as ours has it (the package: infinity)."""
    if not predicted.any() or not truth.any():
        value = 0.0 if not predicted.any() and not truth.any() else np.nan
        return SurfaceDistance(value, value)
    distances = package.compute_surface_distances(truth, predicted, (1.0, 1.0))
    means = package.compute_average_surface_distance(distances)
    return SurfaceDistance(package.compute_robust_hausdorff(distances, PERCENTILE), (means[0] + means[1]) / 2)


def as_outputs(distances: list[SurfaceDistance]) -> Outputs:
    """The two distances by image and threshold."""
    return {
        "hausdorff": np.array([distance.hausdorff for distance in distances]),
        "mean": np.array([distance.mean for distance in distances]),
    }
