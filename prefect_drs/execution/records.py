"""What the state of an execution holds of it as a whole: who cancelled, paused or terminated it, RTO targets at risk.

Plain frozen values. Events make them; nothing here changes a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
