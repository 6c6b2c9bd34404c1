"""Replay: events in order with their pauses at a chosen speed; a live table, or all lines at once."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from rich.console import Console

from prefect_drs.cli.replay import ReplayScreen
from prefect_drs.execution.events import Event
from prefect_drs.execution.playback import LONGEST_PAUSE, play
from tests.report.story import START, completed


class SteppedClock:
    """Passes at once, and remembers how long it was waited on."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return datetime(2040, 1, 1, tzinfo=UTC) + timedelta(seconds=sum(self.waits))

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        self.waits.append(seconds)


def played(speed: float) -> tuple[list[Event], SteppedClock, list[datetime]]:
    seen: list[Event] = []
    moments: list[datetime] = []
    clock = SteppedClock()
    play(completed(), seen.append, clock, speed=speed, tick=moments.append)
    return seen, clock, moments


def test_an_hour_passes_in_a_minute_at_sixty_times_the_speed() -> None:
    seen, clock, moments = played(speed=60)
    assert seen == completed()
    assert sum(clock.waits) == 31
    assert max(clock.waits) <= 1
    assert moments == sorted(moments)
    assert all(START < moment < START + timedelta(minutes=31) for moment in moments)


def test_without_a_speed_nothing_is_waited_for() -> None:
    seen, clock, moments = played(speed=0)
    assert seen == completed()
    assert (clock.waits, moments) == ([], [])


def test_a_long_pause_takes_ten_seconds_at_most() -> None:
    _, clock, moments = played(speed=1)
    events = completed()
    pauses = sum(second.at > first.at for first, second in pairwise(events))
    assert sum(clock.waits) == pauses * LONGEST_PAUSE
    assert len(moments) == pauses * 9


def screen_of(live: bool) -> tuple[ReplayScreen, io.StringIO]:
    written = io.StringIO()
    console = Console(file=written, width=100, height=60, force_terminal=live)
    return ReplayScreen(console, speed=60, live=live), written


def test_lines_are_those_of_the_log_then_the_report() -> None:
    screen, written = screen_of(live=False)
    with screen.shown():
        play(completed(), screen.observe, SteppedClock(), speed=0)
        screen.end()
    lines = written.getvalue().splitlines()
    assert lines[0] == "-- 2030-01-01, times are UTC --"
    assert "12:19:54" not in written.getvalue().partition("Plan  drill")[0]  # the log has when it was recorded
    assert "12:20:00 wave 2 APPROVED by Ada: go" in lines
    assert any(line.startswith("Plan  drill  COMPLETED  execution exec-1") for line in lines)


def test_the_live_table_shows_the_moment_of_the_execution_and_ends_as_the_report() -> None:
    screen, written = screen_of(live=True)
    with screen.shown():
        play(completed(), screen.observe, SteppedClock(), speed=60, tick=screen.tick)
        screen.end()
    text = written.getvalue()
    assert "replay, 60 times as fast: 2030-01-01 12:13:00 UTC" in text
    assert "PAUSED" in text  # while the gate waited
    assert "host-2-0" in text.rpartition("replay, 60 times as fast")[2]
