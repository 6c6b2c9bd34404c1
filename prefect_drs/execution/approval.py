"""How a gate was answered, and which approvals count.

Plain values, used by events, by the state and by whoever asks people.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


class Decision(enum.StrEnum):
    """How a gate was answered."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What was answered, by whom and when (UTC).

    Args:
        decision: the answer.
        by: as claimed, since Prefect open source knows no users; the proven identities once a gate that demands proofs
            was passed.
        at: when (UTC).
        comment: why.
        token: the proof of identity, where one was sent. Never shown.
        break_glass: why the gate is to be passed without what it demands; empty where it is not.
        answer_id: the same for each look at one answer; empty where it is looked at once.
    """

    decision: Decision
    by: str
    at: datetime
    comment: str = ""
    token: str = field(default="", repr=False, compare=False)
    break_glass: str = ""
    answer_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class CountedApproval:
    """An approval whose proof was verified.

    Args:
        identity: who gave it, as AWS or the issuer names him.
        proven_by: the endpoint of STS, or the issuer.
        proof_at: when the proof was made, by the machine's clock (UTC).
        digest: what was approved.
        comment: why.
    """

    identity: str
    proven_by: str
    proof_at: datetime
    digest: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAttempt:
    """An answer at a gate that did not count.

    Args:
        at: when it was judged, by the execution's clock (UTC).
        by: as claimed, or proven where the proof held.
        code: why, for programs.
        reason: why, for people.
    """

    at: datetime
    by: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """A gate that was passed without what it demands: who said so, whether proven, and why."""

    by: str
    proven: bool
    reason: str
