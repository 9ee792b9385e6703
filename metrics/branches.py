"""Cracks as graphs: the branches of a mask's skeleton between ends and junctions, without spurs.

The graph is skan's (Nunez-Iglesias et al., PeerJ 6:e4312, 2018; optional extra ``geometry``), of the skeleton of Zhang
and Suen. What thinning adds at blunt ends and bulges, branches that never leave the crack's own width, is pruned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from contracts.errors import UserError

PRUNINGS = 3  # each may turn what is left of a junction into a new spur
BLUNT = 2.5  # px: thinner cracks have no corners that a skeleton could end in
EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Branch:
    """A line of skeleton pixels.

    Attributes:
        path: rows and columns [N,2], neighbours one step apart.
        free: whether its first and its last pixel are ends, not junctions.
        closed: whether it is a loop.
    """

    path: NDArray[np.int64]
    free: tuple[bool, bool]
    closed: bool = False


def require_skan() -> None:
    """Raise UserError without skan, saying how to get it."""
    try:
        import skan  # noqa: F401
    except ImportError:
        raise UserError("geometry needs skan: pip install 'skan>=0.11' (or the extra geometry)") from None


def branches_of(mask: NDArray[np.bool_], radius: NDArray[np.floating]) -> list[Branch]:
    """The branches of one crack.

    Args:
        mask: [H,W], one connected region.
        radius: distance of its pixels to the nearest pixel outside [H,W].

    Returns:
        None of them for a region whose skeleton is a single pixel.

    Raises:
        UserError: without skan, saying how to get it.
    """
    skeleton = skeletonize(mask)
    for _ in range(PRUNINGS):
        branches = _graph(skeleton)
        spurs = [branch for branch in branches if _is_spur(branch, radius)]
        if not spurs or len(spurs) == len(branches):
            break
        for spur in spurs:
            inner = spur.path[:-1] if spur.free[0] else spur.path[1:]  # the junction stays
            skeleton[tuple(inner.T)] = False
        skeleton = skeletonize(skeleton)
    else:
        branches = _graph(skeleton)
    return [_trimmed(branch, radius) for branch in branches]


def _trimmed(branch: Branch, radius: NDArray[np.floating]) -> Branch:
    """A branch without what may lead from the middle of a blunt end into its corner, at free ends."""
    path = branch.path
    position = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    half = radius[tuple(path.T)]
    start, end = 0, len(path)
    if branch.free[0]:
        start = _first_outside(position, half)
    if branch.free[1]:
        end -= _first_outside(position[-1] - position[::-1], half[::-1])
    return branch if end - start < 2 else replace(branch, path=path[start:end])


def _first_outside(position: NDArray[np.float64], half: NDArray[np.float64]) -> int:
    """The first point that is farther from the end than its half width lets a corner be; 0 where the crack is thin."""
    outside = position > math.sqrt(2) * half + 1
    first = int(outside.argmax())
    return first if outside.any() and half[first] > BLUNT else 0


def _is_spur(branch: Branch, radius: NDArray[np.floating]) -> bool:
    """Whether a branch from a junction to an end is no longer than from the middle of a blunt end to its corner."""
    if branch.free[0] == branch.free[1]:
        return False
    junction = branch.path[-1] if branch.free[0] else branch.path[0]
    length = np.linalg.norm(np.diff(branch.path, axis=0), axis=1).sum()
    return bool(length <= math.sqrt(2) * radius[tuple(junction)] + 2)


def _graph(skeleton: NDArray[np.bool_]) -> list[Branch]:
    """The branches of a skeleton. Single pixels, which skan cannot hold, are none."""
    require_skan()
    from skan import Skeleton

    labels, count = ndimage.label(skeleton, EIGHT)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    lines = skeleton & (sizes > 1)[labels]
    if not lines.any():
        return []
    graph = Skeleton(lines)
    branches = []
    for index in range(graph.n_paths):
        path = np.rint(graph.path_coordinates(index)).astype(np.int64)
        first, last = (int(node) for node in graph.path(index)[[0, -1]])
        free = bool(graph.degrees[first] == 1), bool(graph.degrees[last] == 1)
        branches.append(Branch(path, free, closed=first == last))
    return branches
