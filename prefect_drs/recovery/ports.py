"""The four small ports through which the engine meets the world: clock, gate, lease and journal.

The engine knows only these protocols and the clients of `prefect_drs.aws`. Under Prefect they are a wall clock, child
flow runs, a global concurrency limit and a file; under test a stepped clock and plain objects. Nothing here imports
Prefect or boto3.
"""

from __future__ import annotations

import enum
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


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


class Decision(enum.StrEnum):
    """How a gate was answered."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What a person is asked before a wave.

    Args:
        execution_id: the execution that asks.
        plan_name: its plan.
        mode: `drill` or `recovery`.
        wave_number: the wave that waits.
        wave_name: its name, as the plan gives it.
        summary: Markdown for the form: servers, changes, what has run.
        timeout: how long the gate waits; then the answer is TIMED_OUT.
    """

    execution_id: str
    plan_name: str
    mode: str
    wave_number: int
    wave_name: str
    summary: str
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What was answered, by whom and when (UTC). `by` is as claimed: Prefect open source knows no users."""

    decision: Decision
    by: str
    at: datetime
    comment: str = ""


class Gate(Protocol):
    """Asks a person and waits."""

    def ask(self, request: GateRequest) -> GateAnswer:
        """Block until answered or timed out. May be called from several threads at once, a wave each."""
        ...
