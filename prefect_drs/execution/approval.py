"""How a gate was answered. Plain values, used by events, by the state and by whoever asks people."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class Decision(enum.StrEnum):
    """How a gate was answered."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What was answered, by whom and when (UTC). `by` is as claimed: Prefect open source knows no users."""

    decision: Decision
    by: str
    at: datetime
    comment: str = ""
