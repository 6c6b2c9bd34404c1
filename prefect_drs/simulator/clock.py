"""The simulator's time: one clock for all accounts and regions of a process.

In: a speed factor, or a start and steps. Out: `now()`, always UTC, and `wait()`. Nothing else in the simulator reads
the machine's time. A clock never runs work: the next call brings the state up to `now()`.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

DEFAULT_START = datetime(2030, 1, 1, tzinfo=UTC)
"""Where a StepClock starts. It lies ahead of real time, so that botocore, which judges the expiry of a session by
the machine's clock, never thinks a simulated session over before the simulator does."""


class SimulatorClock(Protocol):
    """The backend's clock port: `prefect_drs.recovery.ports.Clock` plus `wall`."""

    def now(self) -> datetime:
        """The simulated time, with zone UTC."""
        ...

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Come back after `seconds` simulated seconds, or sooner once `wake` is set."""
        ...

    def advance(self, seconds: float) -> None:
        """Jump ahead by `seconds` simulated seconds."""
        ...

    def wall(self, at: datetime) -> datetime:
        """When `at`, a simulated time, comes by the caller's own clock."""
        ...


class SpeedClock:
    """Runs `speed` simulated seconds per real second, from the real time of its creation.

    Args:
        speed: simulated seconds per real second; 0 stops the clock.
        start: the simulated time at the beginning; default: the real time.

    Raises:
        ValueError: a negative speed.
    """

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        if speed < 0:
            raise ValueError(f"A clock cannot run backwards: speed is {speed}, give 0 or more.")
        self._lock = threading.Lock()
        self._speed = speed
        self._real_origin = time.monotonic()
        self._origin = start or datetime.now(UTC)

    @property
    def speed(self) -> float:
        """Simulated seconds a real second."""
        return self._speed

    def set_speed(self, speed: float) -> None:
        """Run at another speed from now on; the simulated time does not jump."""
        if speed < 0:
            raise ValueError(f"A clock cannot run backwards: speed is {speed}, give 0 or more.")
        with self._lock:
            self._origin = self._elapsed()
            self._real_origin = time.monotonic()
            self._speed = speed

    def advance(self, seconds: float) -> None:
        """Jump ahead by `seconds` simulated seconds."""
        if seconds < 0:
            raise ValueError(f"A clock cannot run backwards: {seconds} seconds.")
        with self._lock:
            self._origin += timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The simulated time, with zone UTC."""
        with self._lock:
            return self._elapsed()

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Wait `seconds` simulated seconds in real time; at speed 0 only `wake` or `advance` ends it."""
        until = self.now() + timedelta(seconds=max(0.0, seconds))
        event = wake or threading.Event()
        while (left := (until - self.now()).total_seconds()) > 0:
            real = left / self._speed if self._speed else 0.05
            if event.wait(min(real, 0.25)):
                return

    def wall(self, at: datetime) -> datetime:
        """When the simulated time `at` comes by the machine's clock."""
        left = (at - self.now()).total_seconds()
        return datetime.now(UTC) + timedelta(seconds=left / self._speed if self._speed else left)

    def _elapsed(self) -> datetime:
        return self._origin + timedelta(seconds=(time.monotonic() - self._real_origin) * self._speed)


class StepClock:
    """Virtual time: advances only when it is stepped.

    Args:
        start: the first `now()`; default: `DEFAULT_START`.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        if start.tzinfo is None:
            raise ValueError(f"The start {start.isoformat()} has no time zone: give it UTC.")
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The simulated time, with zone UTC."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Step ahead by `seconds`.

        Raises:
            ValueError: a step backwards.
        """
        if seconds < 0:
            raise ValueError(f"A clock cannot run backwards: {seconds} seconds.")
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Step ahead by `seconds` and return immediately; no step if `wake` is already set."""
        if wake is None or not wake.is_set():
            self.advance(max(0.0, seconds))

    def wall(self, at: datetime) -> datetime:
        """The same time: a stepped clock is the caller's own."""
        return at
