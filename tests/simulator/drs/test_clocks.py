"""The two clocks."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from prefect_drs.simulator import DEFAULT_START, SpeedClock, StepClock


def test_a_step_clock_stands_still_until_it_is_stepped() -> None:
    clock = StepClock()
    assert clock.now() == clock.now() == DEFAULT_START
    clock.advance(90)
    assert clock.now() == DEFAULT_START + timedelta(seconds=90)


def test_waiting_on_a_step_clock_steps_it_and_comes_back_at_once() -> None:
    clock = StepClock()
    clock.wait(3600)
    assert clock.now() == DEFAULT_START + timedelta(hours=1)


def test_a_wait_that_is_cut_short_does_not_step() -> None:
    clock, wake = StepClock(), threading.Event()
    wake.set()
    clock.wait(3600, wake)
    assert clock.now() == DEFAULT_START


def test_no_clock_runs_backwards() -> None:
    for clock in (StepClock(), SpeedClock(0)):
        with pytest.raises(ValueError, match="backwards"):
            clock.advance(-1)
    with pytest.raises(ValueError, match="backwards"):
        SpeedClock(-1)


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        StepClock(datetime(2030, 1, 1))


def test_a_speed_clock_runs_as_many_times_as_fast() -> None:
    clock = SpeedClock(1_000_000)
    before = clock.now()
    clock.wait(100_000)
    assert clock.now() - before >= timedelta(seconds=100_000)


def test_a_change_of_speed_does_not_jump() -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    clock = SpeedClock(0, start)
    clock.set_speed(1_000)
    clock.set_speed(0)
    assert clock.now() - start < timedelta(hours=1)
    standing = clock.now()
    assert clock.now() == standing


def test_a_standing_speed_clock_lets_a_wait_go_when_it_is_advanced() -> None:
    clock = SpeedClock(0)
    done = threading.Event()

    def wait() -> None:
        clock.wait(60)
        done.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    clock.advance(61)
    assert done.wait(10)


def test_the_wall_time_of_a_simulated_moment_follows_the_speed() -> None:
    clock = SpeedClock(60)
    ahead = clock.wall(clock.now() + timedelta(hours=1)) - datetime.now(UTC)
    assert timedelta(seconds=55) < ahead < timedelta(seconds=65)
