"""Weights as pure functions of the step, so that a resumed run goes on exactly where it stopped."""

from __future__ import annotations

import math


def alpha_paper(
    joint_step: int, epoch_steps: int, start: float = 1.0, decrement: float = 0.01, floor: float = 0.01
) -> float:
    """Share of the region terms: falls by ``decrement`` per epoch of joint training, down to ``floor``.

    ``max(floor, start - decrement * (joint_step // epoch_steps))`` (Kondo & Ukita, 2024; the released
    code keeps a counter instead and reaches 0.00999... by repeated subtraction).

    Args:
        joint_step: step of joint training, counted from 1; before it (0 and below) alpha is ``start``.
        epoch_steps: steps per epoch; the released code takes samples // batch + 1.
        start: alpha of the first epoch.
        decrement: what alpha loses per epoch.
        floor: the smallest alpha.

    Raises:
        ValueError: if epoch_steps is not positive.
    """
    _require_positive("epoch_steps", epoch_steps)
    return max(floor, start - decrement * (max(joint_step, 0) // epoch_steps))


def alpha_rising(epoch: float, epochs: float) -> float:
    """Share that rises linearly from 0 at the start to 1 after ``epochs`` epochs, then stays.

    Systems that write alpha for the share of the boundary term let it rise like this.

    Args:
        epoch: epochs passed, also in fractions.
        epochs: length of the rise.

    Raises:
        ValueError: if epochs is not positive.
    """
    _require_positive("epochs", epochs)
    return min(1.0, max(0.0, epoch / epochs))


def decayed(schedule: str, progress: float, final: float) -> float:
    """A factor that falls from 1 to ``final``.

    Args:
        schedule: "constant" (stays at 1), "linear", or "cosine" (half a period, flat at both ends).
        progress: in [0, 1].
        final: the factor at 1.
    """
    if schedule == "constant":
        return 1.0
    fall = 0.5 * (1 + math.cos(math.pi * progress)) if schedule == "cosine" else 1 - progress
    return final + (1 - final) * fall


def _require_positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be positive; received {value}")
