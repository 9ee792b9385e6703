"""Schedules as pure functions of the step."""

from __future__ import annotations

import pytest

from losses.schedule import alpha_paper, alpha_rising, decayed


def test_alpha_equals_repeated_subtraction() -> None:
    epoch_steps, alpha = 7, 1.0
    for step in range(1, 7 * 130):
        if step % epoch_steps == 0:  # the decrement takes effect in steps P, 2P, 3P, ...
            alpha = max(0.01, alpha - 0.01)
        assert alpha_paper(step, epoch_steps) == pytest.approx(alpha, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(-5, 1.0), (0, 1.0), (1, 1.0), (9, 1.0), (10, 0.99), (19, 0.99), (20, 0.98), (990, 0.01), (10**6, 0.01)],
)
def test_alpha_values(step: int, expected: float) -> None:
    assert alpha_paper(step, 10) == pytest.approx(expected, abs=1e-12)
    assert alpha_paper(step, 10) >= 0.01


def test_alpha_keeps_to_start_decrement_and_floor() -> None:
    assert alpha_paper(25, 10, start=0.8, decrement=0.2, floor=0.3) == pytest.approx(0.4)
    assert alpha_paper(95, 10, start=0.8, decrement=0.2, floor=0.3) == 0.3
    with pytest.raises(ValueError, match="epoch_steps must be positive"):
        alpha_paper(1, 0)


def test_the_rising_share_goes_from_0_to_1() -> None:
    assert [alpha_rising(epoch, 4) for epoch in (-1, 0, 1, 4, 9)] == [0.0, 0.0, 0.25, 1.0, 1.0]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.8, 0.6, 0.2]), ("cosine", [1, 0.882842712, 0.6, 0.2])],
)
def test_decays_by_hand(schedule: str, expected: list[float]) -> None:
    assert [decayed(schedule, progress, 0.2) for progress in (0, 0.25, 0.5, 1)] == pytest.approx(expected)
