"""What the state of an execution holds of it as a whole: cancel, pause, termination, RTO risks; requests and jobs.

Plain frozen values. Events make them; nothing here changes a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prefect_drs.aws.location import Location


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Who cancelled the execution, when and why."""

    by: str
    at: datetime
    reason: str = ""

    @property
    def summary(self) -> str:
        """The reason that waves which never began are reported with."""
        return f"cancelled by {self.by}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused launching, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Termination:
    """Who first began to terminate the execution's recovery instances, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RtoRisk:
    """When a forecast expected first that an RTO target is missed, and the RTO that it expected then, in seconds."""

    at: datetime
    expected_seconds: float


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A launch whose intent the journal holds, and whose answer it does not."""

    wave_number: int
    batch: str
    location: Location
    server_ids: tuple[str, ...]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class LaunchJob:
    """A launch job of this execution in DRS. `ended_at` is None until it is known to be over."""

    wave_number: int
    batch: str
    job_id: str
    location: Location
    server_ids: tuple[str, ...]
    started_at: datetime
    ended_at: datetime | None = None
