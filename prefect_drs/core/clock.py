"""Time as something passed in: the machine's own clock in production, a stepped one under test.

`configured_clock` is the one the command line and flows use. Against a sandbox that runs faster than real time it
follows the sandbox, so that a rehearsal's report tells a recovery's real hours.
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
    """What time it is, and a wait that can be cut short."""

    def now(self) -> datetime:
        """The time, with zone UTC."""
        ...

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Come back after `seconds`, or sooner once `wake` is set."""
        ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time, with zone UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Come back after `seconds`, or sooner once `wake` is set."""
        if wake is not None:
            wake.wait(max(0.0, seconds))
        else:
            time.sleep(max(0.0, seconds))


class SandboxClock:
    """A sandbox's clock, followed from another process.

    Args:
        real: a moment of real time, seconds since 1970.
        simulated: what the sandbox's clock showed at that moment, seconds since 1970.
        speed: simulated seconds a real second.
        shortest: real seconds no wait falls below, so that high speeds do not turn polling into a storm.
    """

    def __init__(self, real: float, simulated: float, speed: float, *, shortest: float = 0.2) -> None:
        if speed <= 0:
            raise UsageError(f"the sandbox's clock stands still (speed {speed}): nothing would ever be launched")
        self._real = real
        self._simulated = simulated
        self._speed = speed
        self._shortest = shortest

    @classmethod
    def parse(cls, text: str) -> SandboxClock:
        """From `REAL,SIMULATED,SPEED`, as `prefect-drs sandbox env` exports it.

        Raises:
            UsageError: another form.
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
        """The simulated time, with zone UTC."""
        seconds = self._simulated + (time.time() - self._real) * self._speed
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Come back after `seconds` simulated seconds, or sooner once `wake` is set."""
        real = max(self._shortest, seconds / self._speed) if seconds > 0 else 0.0
        if wake is not None:
            wake.wait(real)
        else:
            time.sleep(real)


def configured_clock() -> Clock:
    """The machine's clock, or the sandbox's where `PREFECT_DRS_SANDBOX_CLOCK` names one.

    Raises:
        UsageError: the variable has another form.
    """
    text = os.environ.get(SANDBOX_CLOCK_VARIABLE, "")
    return SandboxClock.parse(text) if text else WallClock()
