"""The clocks: the machine's own, and a sandbox's that runs faster, followed from another process."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from prefect_drs.core.clock import (
    SANDBOX_CLOCK_VARIABLE,
    SandboxClock,
    WallClock,
    clock_time_of,
    configured_clock,
    wall_time_of,
)
from prefect_drs.core.errors import UsageError
from prefect_drs.simulator.clock import SpeedClock

HOUR = 3600.0
MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_sandboxs_clock_goes_on_from_where_it_stood_at_its_speed() -> None:
    clock = SandboxClock(time.time() - 10, MIDNIGHT.timestamp(), speed=360)
    passed = clock.now() - MIDNIGHT
    assert timedelta(hours=1) <= passed < timedelta(hours=1, minutes=6)
    assert clock.now().tzinfo is UTC


def test_moments_of_real_time_become_its_own_and_back() -> None:
    clock = SandboxClock(MIDNIGHT.timestamp(), MIDNIGHT.timestamp() - 30 * HOUR, speed=300)
    answered = MIDNIGHT + timedelta(seconds=12)
    assert clock.at(answered) == MIDNIGHT - timedelta(hours=30) + timedelta(hours=1)
    assert clock.wall(clock.at(answered)) == answered
    assert clock_time_of(clock, answered) == clock.at(answered)
    assert wall_time_of(clock, clock.at(answered)) == answered
    assert clock_time_of(WallClock(), answered) == wall_time_of(WallClock(), answered) == answered


def test_it_shows_what_the_sandbox_itself_shows() -> None:
    there = SpeedClock(600)
    here = SandboxClock.parse(f"{time.time()},{there.now().timestamp()},600")
    assert abs(here.now() - there.now()) < timedelta(seconds=60)  # a tenth of a real second


def test_a_wait_is_as_much_shorter_as_the_clock_is_faster() -> None:
    clock = SandboxClock(time.time(), MIDNIGHT.timestamp(), speed=36_000, shortest=0.01)
    began = time.monotonic()
    clock.wait(HOUR)
    assert 0.09 <= time.monotonic() - began < 5.0


def test_a_wait_never_falls_below_the_shortest_so_that_polling_is_no_storm() -> None:
    clock = SandboxClock(time.time(), MIDNIGHT.timestamp(), speed=1e9, shortest=0.05)
    began = time.monotonic()
    clock.wait(HOUR)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_nothing_to_wait_for_is_no_wait(seconds: float) -> None:
    for clock in (SandboxClock(time.time(), 0.0, speed=1.0, shortest=60.0), WallClock()):
        began = time.monotonic()
        clock.wait(seconds)
        assert time.monotonic() - began < 5.0


@pytest.mark.parametrize("clock", [WallClock(), SandboxClock(0.0, 0.0, speed=1.0)], ids=["wall", "sandbox"])
def test_a_wait_ends_at_once_when_it_is_woken(clock: WallClock | SandboxClock) -> None:
    wake = threading.Event()
    wake.set()
    began = time.monotonic()
    clock.wait(HOUR, wake)
    assert time.monotonic() - began < 5.0


def test_the_machines_clock_is_in_utc() -> None:
    assert abs(WallClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_environment_decides_which_clock_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SANDBOX_CLOCK_VARIABLE, raising=False)
    assert isinstance(configured_clock(), WallClock)
    monkeypatch.setenv(SANDBOX_CLOCK_VARIABLE, f"{time.time()},{MIDNIGHT.timestamp()},60")
    clock = configured_clock()
    assert isinstance(clock, SandboxClock)
    assert timedelta(0) <= clock.now() - MIDNIGHT < timedelta(hours=1)


@pytest.mark.parametrize("text", ["noon", "1,2", "1,2,3,4", "1,2,fast"])
def test_another_form_is_refused_with_the_remedy(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SANDBOX_CLOCK_VARIABLE, text)
    with pytest.raises(UsageError, match=r"sandbox env") as told:
        configured_clock()
    assert repr(text) in told.value.message


@pytest.mark.parametrize("speed", ["0", "-1"])
def test_a_clock_that_stands_still_is_refused_since_nothing_would_ever_be_launched(speed: str) -> None:
    with pytest.raises(UsageError, match="is stopped"):
        SandboxClock.parse(f"1,2,{speed}")
