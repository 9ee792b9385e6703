"""Every key under which a number, picture or table is tracked; the same for all experiments.

The name of a loss, network or data set belongs in the options, never in a key: only then do the
charts of two experiments lie on top of each other. The horizontal axis of all charts is ``STEP``.
"""

from __future__ import annotations

from contracts.errors import lookup

STEP = "step"
TIME = "time"

TRAIN_LOSS = "train/loss"
TRAIN_SR = "train/sr"
TRAIN_SEG = "train/seg"
TRAIN_SR_IMAGE = "train/sr_image"
TRAIN_SR_LR = "train/sr_lr"
TRAIN_SR_KERNEL = "train/sr_kernel"
TRAIN_SEG_MAIN = "train/seg_main"
TRAIN_SEG_AUX = "train/seg_aux"
TRAIN_SEG_TOPOLOGY = "train/seg_topology"
TRAIN_SEG_BLUR = "train/seg_blur"
TRAIN_TEACHER = "train/teacher"
TRAIN_DISTILLATION = "train/distillation"
TRAIN_TASK_DRIVEN = "train/task_driven"
TRAIN_AFFINITY = "train/affinity"
TRAIN_LR = "train/lr"
TRAIN_ALPHA = "train/alpha"
TRAIN_BETA = "train/beta"
TRAIN_GRAD_NORM = "train/grad_norm"
TRAIN_STEPS_PER_SECOND = "train/steps_per_second"
TRAIN_DATA_WAIT = "train/data_wait"
TRAIN_SECONDS = "train/seconds"  # spent so far in steps and in waiting for data, resumes included
TRAIN_MULTIPLY_ADDS = "train/multiply_adds"  # so far, of convolutions and matrix products, forward and backward

LOSS_KEYS = (
    TRAIN_LOSS,
    TRAIN_SR,
    TRAIN_SEG,
    TRAIN_SR_IMAGE,
    TRAIN_SR_LR,
    TRAIN_SR_KERNEL,
    TRAIN_SEG_MAIN,
    TRAIN_SEG_AUX,
    TRAIN_SEG_TOPOLOGY,
    TRAIN_SEG_BLUR,
    TRAIN_TEACHER,
    TRAIN_DISTILLATION,
    TRAIN_TASK_DRIVEN,
    TRAIN_AFFINITY,
)

CONDITIONS = ("hr", "clean", "degraded")
TEST_PER_IMAGE = "test/per_image"


def _key(split: str, condition: str, rest: str) -> str:
    """Join the levels of a key; ArgumentError for an unknown condition."""
    lookup(dict.fromkeys(CONDITIONS), condition, "input condition")
    return f"{split}/{condition}/{rest}"


def val_key(condition: str, metric: str) -> str:
    """Return the key of a validation metric, such as ``val/degraded/dice``.

    Args:
        condition: one of ``CONDITIONS``.
        metric: its name.

    Raises:
        ArgumentError: for another condition.
    """
    return _key("val", condition, metric)


def test_key(condition: str, metric: str) -> str:
    """Return the key of a test metric, such as ``test/degraded/dice``.

    Args:
        condition: one of ``CONDITIONS``.
        metric: its name.

    Raises:
        ArgumentError: for another condition.
    """
    return _key("test", condition, metric)


test_key.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name tells pytest


def baseline_key(baseline: str, condition: str, metric: str) -> str:
    """Return the key of a test metric of a baseline, such as ``test/classical/degraded/dice``.

    Args:
        baseline: its name.
        condition: one of ``CONDITIONS``.
        metric: its name.

    Raises:
        ArgumentError: for another condition.
    """
    return _key(f"test/{baseline}", condition, metric)


def panel_key(split: str, condition: str, index: int) -> str:
    """Return the key of a panel, such as ``val/degraded/panel_0``.

    Args:
        split: ``val`` or ``test``.
        condition: one of ``CONDITIONS``.
        index: of the panel, from 0.

    Raises:
        ArgumentError: for another condition.
    """
    return _key(split, condition, f"panel_{index}")


def curve_key(name: str) -> str:
    """Return the key of a figure of curves of the test set, such as ``test/curves/precision_recall``."""
    return f"test/curves/{name}"
