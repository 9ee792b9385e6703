"""Weights as pure functions of the step, so that a resumed run goes on exactly where it stopped."""

from __future__ import annotations


def alpha_paper(
    joint_step: int, epoch_steps: int, start: float = 1.0, decrement: float = 0.01, floor: float = 0.01
) -> float:
    """Share of the region terms: falls by ``decrement`` per epoch of joint training, down to ``floor``.

    ``max(floor, start - decrement * (joint_step // epoch_steps))`` (Kondo & Ukita, 2024; the released
    code keeps a counter instead and reaches 0.00999... by repeated subtraction).

    joint_step: step of joint training counted from 1; before it (0 and below) alpha is ``start``.
    epoch_steps: steps per epoch; the released code takes samples // batch + 1.
    Raises ValueError when epoch_steps is not positive.
    """
    _require_positive("epoch_steps", epoch_steps)
    return max(floor, start - decrement * (max(joint_step, 0) // epoch_steps))


def alpha_rising(epoch: float, epochs: float) -> float:
    """Share that rises linearly from 0 at the start to 1 after ``epochs`` epochs, then stays."""
    _require_positive("epochs", epochs)
    return min(1.0, max(0.0, epoch / epochs))


def constant(value: float) -> float:
    """Return a weight that does not change. Raises ValueError outside [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"a share must lie in [0, 1]; received {value}")
    return float(value)


def beta_ramp(step: int, first: int = 30_000, last: int = 170_000) -> float:
    """Weight of the segmentation loss rising linearly from 0 at step ``first`` to 1 at ``last``.

    The released code's ramp (its TASK_LOSS_WEIGHT of -1), floored at 0 as well as capped at 1.
    step: counted over the whole training, from 1.
    """
    _require_positive("last - first", last - first)
    return min(1.0, max(0.0, (step - first) / (last - first)))


def _require_positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be positive; received {value}")
