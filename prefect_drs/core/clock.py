"""Clocks, passed to whatever needs the time: the machine's clock in production, a stepped clock in tests.

The command line and flows use `configured_clock`. With a sandbox that runs faster than real time, it returns the
sandbox's clock, so that the report of a rehearsal shows the durations of a real recovery.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from prefect_drs.core.errors import UsageError

SANDBOX_CLOCK_VARIABLE = "PREFECT_DRS_SANDBOX_CLOCK"


class Clock(Protocol):
    """The current time, and an interruptible wait."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        ...

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Return after `seconds`, or earlier when `wake` is set."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Return after `seconds`, or earlier when `wake` is set."""
        if wake is not None:
            wake.wait(max(0.0, seconds))
        else:
            time.sleep(max(0.0, seconds))


class SandboxClock:
    """The clock of a sandbox that runs in another process.

    Args:
        real: a moment of real time, seconds since 1970.
        simulated: the sandbox's time at that moment, seconds since 1970.
        speed: simulated seconds per real second.
        shortest: minimum of a wait in real seconds, so that high speeds do not cause request storms.

    Raises:
        UsageError: `speed` is not positive.
    """

    def __init__(self, real: float, simulated: float, speed: float, *, shortest: float = 0.2) -> None:
        if speed <= 0:
            raise UsageError(f"the sandbox's clock is stopped (speed {speed}), so no server would ever be launched")
        self._real = real
        self._simulated = simulated
        self._speed = speed
        self._shortest = shortest

    @classmethod
    def parse(cls, text: str) -> SandboxClock:
        """Parse `REAL,SIMULATED,SPEED`, as `prefect-drs sandbox env` exports it.

        Raises:
            UsageError: the text has another format, or `SPEED` is not positive.
        """
        try:
            real, simulated, speed = (float(part) for part in text.split(","))
        except ValueError:
            raise UsageError(
                f"{SANDBOX_CLOCK_VARIABLE} is {text!r}, not REAL,SIMULATED,SPEED; "
                'run eval "$(prefect-drs sandbox env)" again'
            ) from None
        return cls(real, simulated, speed)

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        return self._epoch(self._simulated + (time.time() - self._real) * self._speed)

    def at(self, wall: datetime) -> datetime:
        """The simulated time at a moment of real time."""
        return self._epoch(self._simulated + (wall.timestamp() - self._real) * self._speed)

    def wall(self, at: datetime) -> datetime:
        """The moment of real time at which the simulated time is `at`."""
        return self._epoch(self._real + (at.timestamp() - self._simulated) / self._speed)

    @staticmethod
    def _epoch(seconds: float) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Return after `seconds` simulated seconds, or earlier when `wake` is set."""
        real = max(self._shortest, seconds / self._speed) if seconds > 0 else 0.0
        if wake is not None:
            wake.wait(real)
        else:
            time.sleep(real)


def configured_clock() -> Clock:
    """The sandbox's clock if `PREFECT_DRS_SANDBOX_CLOCK` is set, otherwise the machine's clock.

    Raises:
        UsageError: the variable has another format.
    """
    text = os.environ.get(SANDBOX_CLOCK_VARIABLE, "")
    return SandboxClock.parse(text) if text else WallClock()


def is_simulated(clock: Clock) -> bool:
    """Whether it is a sandbox's clock, so that its time is not that of people."""
    return isinstance(clock, SandboxClock)


def clock_time_of(clock: Clock, wall: datetime) -> datetime:
    """The clock's time at a moment of real time, such as when a person answered in Prefect."""
    return clock.at(wall) if isinstance(clock, SandboxClock) else wall


def wall_time_of(clock: Clock, at: datetime) -> datetime:
    """The moment of real time at which the clock's time is `at`."""
    return clock.wall(at) if isinstance(clock, SandboxClock) else at
