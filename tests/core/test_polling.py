"""Polling: the first answer, looked for at least once, and no longer than the time given."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from prefect_drs.core.polling import polled


class Steps:
    """A clock that a wait sets forward."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self.at

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        self.waits.append(seconds)
        self.at += timedelta(seconds=seconds)


def test_the_first_answer_ends_it():
    answers, clock = iter([None, None, 0]), Steps()
    assert polled(lambda: next(answers), seconds=10, clock=clock) == 0
    assert clock.waits == [0.5, 0.5]


@pytest.mark.parametrize(("seconds", "looks"), [(0, 1), (1, 3), (1.2, 4)])
def test_without_an_answer_it_ends_in_time_after_one_look_at_least(seconds: float, looks: int):
    seen: list[None] = []
    assert polled(lambda: seen.append(None), seconds=seconds, clock=Steps()) is None
    assert len(seen) == looks


def test_what_the_look_raises_ends_it():
    with pytest.raises(ZeroDivisionError):
        polled(lambda: 1 // 0, seconds=10, clock=Steps())
