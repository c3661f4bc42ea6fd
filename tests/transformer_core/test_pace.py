"""A session's pace: a burst is free, then one by one, and nothing is lost."""

import pytest

from transformer_core.pace import Pace


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_requests_may_come_at_once_and_the_next_waits() -> None:
    clock = Clock()
    pace = Pace(30, clock)
    assert [pace.take() for _ in range(30)] == [0.0] * 30
    assert pace.take() == pytest.approx(2.0)
    clock.now += 0.5
    assert pace.take() == pytest.approx(1.5), "asking does not put it off"
    clock.now += 1.5
    assert pace.take() == 0.0
    assert pace.take() == pytest.approx(2.0)


def test_a_long_rest_saves_up_no_more_than_a_minute() -> None:
    clock = Clock()
    pace = Pace(2, clock)
    clock.now += 3600
    assert [pace.take() == 0 for _ in range(3)] == [True, True, False]
